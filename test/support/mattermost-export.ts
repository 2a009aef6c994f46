/** Lines of a Mattermost bulk export, up to the posts. */
export const mattermostHead: readonly object[] = [
  {
    type: "version",
    version: 1,
    info: { generator: "mattermost-server", version: "10.5.1", created: "2024-06-01T10:00:00.5Z" },
  },
  { type: "role", role: { name: "system_guest" } },
  { type: "team", team: { name: "acme", display_name: "Acme", type: "I", description: "" } },
  {
    type: "channel",
    channel: {
      team: "acme",
      name: "town-square",
      display_name: "Town Square",
      type: "O",
      header: "",
      purpose: "",
    },
  },
  { type: "channel", channel: { team: "acme", name: "quiet", display_name: "", type: "P", deleted_at: 5 } },
  user(
    "ada",
    { first_name: "Ada", last_name: "Lovelace", nickname: "countess" },
    "channel_admin channel_user",
  ),
  user("bob", { nickname: "Bobby" }),
  user("dan", { delete_at: 1_700_000_000_000 }),
  { type: "bot", bot: { username: "deploybot", owner: "ada", display_name: "Deploy Bot" } },
];

function user(username: string, more: object, roles = "channel_user") {
  return {
    type: "user",
    user: {
      username,
      email: `${username.toUpperCase()}@example.com`,
      auth_service: null,
      nickname: "",
      first_name: "",
      last_name: "",
      roles: "system_user",
      delete_at: 0,
      teams: [
        { name: "acme", roles: "team_user", channels: [{ name: "town-square", roles, favorite: false }] },
      ],
      ...more,
    },
  };
}

export const postLine = (createAt: number, message: string, more: object = {}) => ({
  type: "post",
  post: {
    team: "acme",
    channel: "town-square",
    user: "ada",
    type: "",
    message,
    props: {},
    create_at: createAt,
    edit_at: 0,
    reactions: [],
    replies: [],
    ...more,
  },
});

/** The file: the usual beginning, then these lines. A text is taken as it is. */
export function mattermostExport(...lines: readonly (object | string)[]): string {
  const all = [...mattermostHead, ...lines].map((line) =>
    typeof line === "string" ? line : JSON.stringify(line),
  );
  return `${all.join("\n")}\n`;
}
