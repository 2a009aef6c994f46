import * as v from "valibot";

/** A text, or undefined for anything else: an odd value in an optional field must not stop an import. */
export const optionalText = v.fallback(v.optional(v.string()), undefined);
export const optionalFlag = v.fallback(v.optional(v.boolean()), undefined);
/** A whole number that is not negative. */
export const optionalNumber = v.fallback(
  v.optional(v.pipe(v.number(), v.safeInteger(), v.minValue(0))),
  undefined,
);

/** The valid items of a list; none for anything else. */
export function optionalList<const Schema extends v.GenericSchema>(item: Schema) {
  return v.pipe(
    v.fallback(v.optional(v.array(v.unknown()), []), []),
    v.transform((items) =>
      items.flatMap((value) => {
        const parsed = v.safeParse(item, value);
        return parsed.success ? [parsed.output] : [];
      }),
    ),
  );
}

/**
 * A message attachment: a card that an application adds to a message. Mattermost took its format from Slack.
 * https://docs.slack.dev/legacy/legacy-messaging/legacy-secondary-message-attachments
 */
export const attachmentSchema = v.object({
  pretext: optionalText,
  author_name: optionalText,
  title: optionalText,
  title_link: optionalText,
  text: optionalText,
  fields: optionalList(
    v.object({
      title: optionalText,
      value: v.fallback(v.optional(v.union([v.string(), v.number()])), undefined),
    }),
  ),
  image_url: optionalText,
  fallback: optionalText,
  from_url: optionalText,
  is_share: optionalFlag,
  is_msg_unfurl: optionalFlag,
  blocks: v.optional(v.unknown()),
});
export type Attachment = v.InferOutput<typeof attachmentSchema>;

/** What an attachment says, as lines of text. `plain` converts a text with the product's markup. */
export function attachmentText(attachment: Attachment, plain: (text: string) => string): string {
  const { pretext, author_name, title, title_link, text, fields, image_url, fallback } = attachment;
  const lines = [
    plain(pretext ?? ""),
    plain(author_name ?? ""),
    labelled(plain(title ?? ""), title_link),
    plain(text ?? ""),
    ...fields.map((field) => [field.title, field.value].filter(Boolean).map(String).map(plain).join(": ")),
    image_url ?? "",
  ].filter((line) => line.trim() !== "");
  return lines.length > 0 ? lines.join("\n") : plain(fallback ?? "");
}

/** A link as text: `label (url)`, or the URL alone where the label says the same. */
export function labelled(label: string, url: string | undefined): string {
  if (url === undefined || url === "") return label;
  if (label.trim() === "") return url;
  if (shortened(label) === shortened(url)) return /^(mailto|tel):/.test(url) ? label : url;
  return `${label} (${url})`;
}

const shortened = (text: string) => text.replace(/^(https?:\/\/|mailto:|tel:)/, "").replace(/\/$/, "");

/** The parts of a message one below the other, without the blank ones. */
export function joinParts(parts: readonly string[]): string {
  return parts.filter((part) => part.trim() !== "").join("\n");
}
