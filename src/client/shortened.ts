import type { MessageBody } from "../protocol/frames.ts";

/** UTF-16 units of the text of a summary's message, and bytes of its metadata, and of its mentions. */
const MAX_SUMMARY_TEXT_LENGTH = 200;
const MAX_SUMMARY_META_BYTES = 512;

/** A message as it is in a summary: what is long is cut or left out, as the server does it. */
export function shortened({ text, meta, mentions, ...rest }: MessageBody): MessageBody {
  return {
    ...rest,
    // The cut may fall inside a surrogate pair.
    text: text.slice(0, MAX_SUMMARY_TEXT_LENGTH).replace(/[\ud800-\udbff]$/, ""),
    ...(isShort(meta) && { meta }),
    ...(isShort(mentions) && { mentions }),
  };
}

const isShort = (value: object | undefined) =>
  value && new TextEncoder().encode(JSON.stringify(value)).length <= MAX_SUMMARY_META_BYTES;
