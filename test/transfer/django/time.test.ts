import { describe, expect, test } from "bun:test";

import { timeParser } from "../../../src/transfer/django/time.ts";

const utc = timeParser(undefined);
const at = (text: string) => Date.parse(text);

describe("times", () => {
  test.each([
    ["2024-05-01T10:00:00.123Z", at("2024-05-01T10:00:00.123Z")],
    ["2024-05-01T10:00:00.123456+00:00", at("2024-05-01T10:00:00.123Z")],
    ["2024-05-01T12:00:00+02:00", at("2024-05-01T10:00:00Z")],
    ["2024-05-01T10:00:00.123456", at("2024-05-01T10:00:00.123Z")],
    ["2024-05-01 10:00:00", at("2024-05-01T10:00:00Z")],
    ["2024-05-01", at("2024-05-01T00:00:00Z")],
    [1714557600, at("2024-05-01T10:00:00Z")],
    [1714557600.5, at("2024-05-01T10:00:00.500Z")],
    ["1714557600", at("2024-05-01T10:00:00Z")],
    [1714557600123, at("2024-05-01T10:00:00.123Z")],
  ])("%j is a time", (value, time) => expect(utc(value)).toBe(time));

  test.each([
    [null],
    [undefined],
    [""],
    ["10:00:00"],
    ["yesterday"],
    ["2024-13-01T10:00:00Z"],
    [true],
    [["2024-05-01"]],
  ])("%j is none", (value) => expect(utc(value)).toBeNull());

  test("without an offset are in the zone that is named, in summer and in winter", () => {
    const berlin = timeParser("Europe/Berlin");
    expect(berlin("2024-05-01T12:00:00")).toBe(at("2024-05-01T10:00:00Z"));
    expect(berlin("2024-01-01T12:00:00")).toBe(at("2024-01-01T11:00:00Z"));
    expect(berlin("2024-03-31T01:59:59")).toBe(at("2024-03-31T00:59:59Z"));
    expect(berlin("2024-03-31T03:00:00")).toBe(at("2024-03-31T01:00:00Z"));
    expect(berlin("2024-10-27T01:30:00")).toBe(at("2024-10-26T23:30:00Z"));
    expect(berlin("2024-10-27T03:00:00")).toBe(at("2024-10-27T02:00:00Z"));
    expect(berlin("2024-05-01T10:00:00Z")).toBe(at("2024-05-01T10:00:00Z"));
    expect(timeParser("Asia/Kolkata")("2024-05-01T12:00:00")).toBe(at("2024-05-01T06:30:00Z"));
    expect(timeParser("-03:00")("2024-05-01T12:00:00")).toBe(at("2024-05-01T15:00:00Z"));
  });

  test("need a zone that exists", () => {
    expect(() => timeParser("Berlin")).toThrow("--timezone Berlin: unknown time zone.");
  });
});
