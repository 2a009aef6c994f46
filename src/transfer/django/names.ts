/**
 * Names by which models and fields are recognised, in lower case and without underscores. The first pattern that matches
 * counts; two names that match the same pattern are ambiguous.
 */
export type Names = readonly RegExp[];

export const MODEL_NAMES = {
  users: [/^user$/, /user$/],
  rooms: [
    /^(chatroom|room|conversation)$/,
    /^(thread|chat|channel|dialog|chatgroup|chatthread|groupchat|privatechat)$/,
    /^group$/,
    /(room|conversation|thread|chat|channel|dialog)$/,
  ],
  members: [
    /^(member|membership|participant|participation)$/,
    /(member|membership|participant|participation|roomuser|userroom)$/,
  ],
  messages: [/^(message|chatmessage)$/, /message$/],
} satisfies Record<string, Names>;

/** Models that Django itself brings along, and that are neither users nor parts of a chat. */
export const DJANGO_MODEL = /^(admin|contenttypes|sessions|sites|auth\.(?!user$)|authtoken)/;

export const USER_FIELDS = {
  email: [/^email$/, /^(emailaddress|useremail|mail)$/],
  username: [/^username$/, /^login$/],
  firstName: [/^firstname$/],
  lastName: [/^(lastname|surname)$/],
  name: [/^(name|fullname)$/, /^(displayname|nickname)$/],
  active: [/^isactive$/],
} satisfies Record<string, Names>;

/** The user of a profile. */
export const PROFILE_USER: Names = [/^(user|account|owner)$/];

export const ROOM_FIELDS = {
  name: [/^name$/, /^title$/, /^(roomname|subject|label|topic)$/],
  /** Fields whose values another model may name as a natural key. */
  naturalKeys: [/^(slug|name|title|uuid|code|roomname)$/],
  participants: [
    /^(participants?|members?|users|chatusers|roommembers|roomusers|userlist|people|attendees|allowedusers)$/,
  ],
  createdBy: [/^(createdby|creator)$/, /^(owner|host|admin)$/, /^(author|user)$/],
  owner: [/^owner$/, /^(host|admin)$/],
  moderators: [/^moderators$/, /^admins$/],
} satisfies Record<string, Names>;

/** Two fields that match the same pattern are the participants of a room for two. */
export const PAIRS: Names = [
  /^(first|second)(user|person|participant|member)$/,
  /^(user|person|participant|member)(1|2)$/,
  /^(user|person|participant|member)(one|two)$/,
  /^(user|person|participant|member)(a|b)$/,
  /^(initiator|receiver)$/,
  /^(sender|receiver)$/,
];

/** A field that points to a room. */
export const ROOM_REFERENCE: Names = [
  /^(chatroom|room|conversation)$/,
  /^(thread|chat|channel|dialog|chatgroup|chatthread|groupchat|privatechat)$/,
  /^(group|roomname|roomid|roomslug)$/,
];

export const MEMBER_FIELDS = {
  user: [/^(user|member|participant)$/, /^(person|chatuser|username)$/],
  role: [/^role$/],
  isOwner: [/^(isowner|iscreator)$/],
  isModerator: [/^(isadmin|ismoderator|isstaff)$/],
  status: [/^(status|state)$/],
} satisfies Record<string, Names>;

/** Fields of a membership that say that it has ended or has not begun: by a time, by `true`, by `false`. */
export const MEMBERSHIP_ENDS = {
  times: /^(left|removed|deleted|banned|kicked|ended)(at|on)$|^(date|time)left$/,
  whenTrue: /^(is|has)?(left|removed|deleted|banned|blocked|kicked|pending|archived)$/,
  whenFalse: /^(is)?(active|accepted|approved|confirmed)$/,
};

export const MESSAGE_FIELDS = {
  sender: [
    /^(sender|author|user|fromuser|sentby)$/,
    /^(createdby|postedby|owner|senderuser|username|sendername|participant|member)$/,
  ],
  text: [
    /^(text|content|body|message)$/,
    /^(messagetext|messagebody|messagecontent|msg|contents|textmessage)$/,
  ],
  editedAt: [/^(editedat|editedon|edittime|lastedited|lasteditedat)$/],
  isEdited: [/^(is|was)?edited$/],
  deletedAt: [/^(deletedat|deletedon|removedat)$/],
  isDeleted: [/^(is|was)?(deleted|removed|unsent)$/],
  replyTo: [
    /^(replyto|inreplyto|repliedto|replytomessage|replyingto)$/,
    /^(parent|parentmessage|quotedmessage)$/,
  ],
} satisfies Record<string, Names>;

export const CREATED_AT: Names = [
  /^timestamp$/,
  /^(sentat|senton|senttime|timesent|datesent)$/,
  /^(createdat|createdon|created|datecreated|createdtime|creationdate)$/,
  /^(date|datetime|time|dateadded|addedat|pubdate|publishedat|postedat|sent|sentdate)$/,
];

export const JOINED_AT: Names = [/^(joinedat|joinedon|datejoined|joindate|joined)$/, ...CREATED_AT];

export const UPDATED_AT: Names = [/^(updatedat|updatedon|modifiedat|updated|modified|lastmodified)$/];

/** The form in which names are compared. */
export function plain(name: string): string {
  return name.replaceAll("_", "").toLowerCase();
}
