import * as v from "valibot";

import { annotate } from "../annotate.ts";
import { codeSchema } from "../frames.ts";

/** The frames of `classic` where no classic.json says otherwise. The documents show them. */

const text = "The text of a message.";

export const classicCommandSchema = annotate(v.object({ message: annotate(v.string(), text) }), {
  description: "Sends a message. Other keys are ignored.",
  examples: [{ message: "Hello, how are you?" }],
});
export const classicFrameSchemas = {
  history: annotate(
    v.array(
      v.object({
        text: annotate(v.string(), text),
        sender_email: annotate(v.string(), "The sender's email address, or else their id."),
      }),
    ),
    {
      description: "The first frame: the last messages, oldest first, 50 at most.",
      examples: [[{ text: "Hello!", sender_email: "user1@example.com" }]],
    },
  ),
  message: annotate(v.object({ message: annotate(v.string(), text) }), {
    description: "A new message, for everyone in the room.",
    examples: [{ message: "Hello, how are you?" }],
  }),
  error: annotate(
    v.object({
      error: v.object({
        code: codeSchema,
        message: annotate(v.string(), "The reason in a sentence."),
      }),
    }),
    {
      description: "The frame was refused and changed nothing. Only its sender gets it.",
      examples: [{ error: { code: "invalid_message", message: "A message needs some visible text." } }],
    },
  ),
};
