import { describe, expect, test } from "bun:test";

import * as fc from "fast-check";

import { RecordSplitter } from "../../../src/transfer/django/record-splitter.ts";

const bytesOf = (text: string) => new TextEncoder().encode(text);

/** The records of a file that arrives in chunks of a size, with their lines. */
function split(file: string | Uint8Array, chunkSize = 1000): [unknown, number][] {
  const bytes = typeof file === "string" ? bytesOf(file) : file;
  const splitter = new RecordSplitter();
  const records: [unknown, number][] = [];
  for (let start = 0; start < bytes.length; start += chunkSize) {
    // A reader may use the same buffer for the next chunk.
    const chunk = new Uint8Array(bytes.subarray(start, start + chunkSize));
    for (const record of splitter.push(chunk))
      records.push([JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(record.bytes)), record.line]);
    chunk.fill(0);
  }
  splitter.end();
  return records;
}

describe("a list of records", () => {
  const tricky = [
    { text: 'brackets ]} [{ and "quotes" and \\ backslashes \\" at the end\\' },
    { nested: { lists: [[], [{}], "]"] }, 'a "key" {': 1 },
    { text: "žluťoučký kůň 🎉 \u2028 \ufeff" },
    {},
  ];

  test.each([1, 2, 3, 7, 1000])("is split whatever is in its texts, in chunks of %d bytes", (chunkSize) => {
    for (const indent of [0, 2]) {
      const records = split(JSON.stringify(tricky, null, indent), chunkSize);
      expect(records.map(([record]) => record)).toEqual(tricky);
    }
  });

  test("is split as a JSON parser would", () => {
    const record = fc.dictionary(fc.string({ unit: "binary" }), fc.jsonValue({ stringUnit: "binary" }));
    const property = fc.property(
      fc.array(record),
      fc.nat(3),
      fc.integer({ min: 1, max: 50 }),
      (list, indent, size) => {
        const text = JSON.stringify(list, null, indent);
        expect(split(text, size).map(([value]) => value)).toEqual(JSON.parse(text));
      },
    );
    fc.assert(property, { numRuns: 100 });
  });

  test("has the line on which each record begins", () => {
    expect(split('\n[\n{"a": 1},\n\n{"a":\n2}, {"a": 3}\r\n]\n').map(([, line]) => line)).toEqual([3, 5, 6]);
    expect(split(JSON.stringify(tricky, null, 2)).map(([, line]) => line)).toEqual(
      JSON.stringify(tricky, null, 2)
        .split("\n")
        .flatMap((text, index) => (/^ {2}\{/.test(text) ? [index + 1] : [])),
    );
  });

  test("may have a byte order mark, and records on lines without a list around them", () => {
    expect(split('\ufeff[{"a": 1}]', 1)).toEqual([[{ a: 1 }, 1]]);
    expect(split('{"a": 1}\n{"a": 2}\n')).toEqual([
      [{ a: 1 }, 1],
      [{ a: 2 }, 2],
    ]);
  });

  test("may be empty", () => expect(split("[ ]")).toEqual([]));
});

describe("a file that is not a list of records", () => {
  test.each([
    ["", "The file is empty."],
    [" \n\n", "The file is empty."],
    ["[", "The file is cut off: it ends on line 1 without the ] of its list."],
    ['[\n{"a": 1},\n{"a": "x', "The file is cut off: it ends within the record that begins on line 3."],
    ['[\n{"a": 1},', "The file is cut off: it ends on line 2 without the ] of its list."],
    ['[\n{"a": 1}\n', "The file is cut off: it ends on line 3 without the ] of its list."],
    ['[{"a": 1}\n{"a": 2}]', "Line 2 is not JSON: a comma or ] is expected after the record."],
    ['[{"a": 1},\n]', "Line 2 is not JSON: a record is expected after the comma."],
    ["[1]", "Line 1 is not JSON: a record or ] is expected."],
    ['[{"a": 1}]\n[]', "Line 2 is not JSON: the list has ended, and something follows."],
    [
      "Loading settings\n[]",
      "Line 1 is not the begin of a JSON list. Write the file with dumpdata --output, so that nothing else is printed into it.",
    ],
  ])("%j is refused", (file, message) => {
    expect(() => split(file)).toThrow(message);
    expect(() => split(file, 1)).toThrow(message);
  });

  test("is refused in UTF-16", () => {
    const utf16 = Uint8Array.of(0xff, 0xfe, 0x5b, 0);
    expect(() => split(utf16)).toThrow(
      "The file is in UTF-16. Write it with dumpdata --output, which makes UTF-8.",
    );
  });

  test("does not fill the memory when a quote is missing", () => {
    const splitter = new RecordSplitter();
    const megabyte = new Uint8Array(1024 * 1024).fill(0x78);
    const feed = () => {
      Array.from(splitter.push(bytesOf('[\n{"a": "')));
      for (let count = 0; count < 70; count++) Array.from(splitter.push(megabyte));
    };
    expect(feed).toThrow("The record that begins on line 2 does not end within 64 MiB");
  });
});
