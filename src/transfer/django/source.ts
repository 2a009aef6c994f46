import type { Source } from "../source.ts";
import { collect } from "./collect.ts";
import { Conversion } from "./conversion.ts";
import { Dump } from "./dump.ts";
import { describeMapping, type MappingOptions } from "./mapping.ts";
import { recognise } from "./recognise.ts";
import { summarize } from "./summary.ts";
import { timeParser } from "./time.ts";

/** Models and fields, users and rooms, messages: each needs what came before, and may stand anywhere in the file. */
const PASSES = 3;

export interface DjangoOptions extends MappingOptions {
  /** The time zone of times without an offset, such as `Europe/Berlin`. Default: UTC. */
  timezone?: string;
  /** Called with lines for the operator: what is recognised, and what they should know about it. */
  onNote?: (line: string) => void;
}

/** A source that reads the output of Django's `dumpdata`, in JSON. */
export function djangoSource({ timezone, onNote = () => undefined, ...options }: DjangoOptions): Source {
  return async function* (file) {
    const parseTime = timeParser(timezone);
    const dump = new Dump(file, PASSES);
    const mapping = recognise(await summarize(dump, options.roomModel), options);
    const addSenders = options.addSenders ?? false;
    for (const line of describeMapping(mapping, addSenders)) onNote(line);
    if (mapping.messages.naiveTimes && timezone === undefined)
      onNote("Times     without a time zone, taken as UTC: --timezone names another");
    const collected = await collect(dump, mapping, parseTime);
    const conversion = new Conversion(mapping, collected, {
      addSenders,
      parseTime,
      fallbackTime: dump.changedAt,
    });
    // Not `yield*`, which would wait once more for each item.
    for await (const records of dump.read((model) => conversion.needs(model))) {
      for (const record of records) for (const item of conversion.convert(record)) yield item;
    }
    yield* conversion.end();
    const anonymous = [...collected.people.used()].filter(({ identified }) => !identified).length;
    if (anonymous > 0) {
      const users = anonymous === 1 ? "1 user is" : `${anonymous} users are`;
      onNote(`${users} imported as django:<pk>, for want of an email: nobody can sign in as them`);
    }
  };
}
