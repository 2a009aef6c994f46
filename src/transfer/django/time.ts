import { SourceError } from "../source.ts";
import type { Json } from "./dump.ts";

const HOUR_MS = 3_600_000;
/** Numbers above this are milliseconds since the epoch, not seconds: in seconds it is the year 5138. */
const MAX_SECONDS = 100_000_000_000;

/** A time as Django writes it, or a date. */
const TIME = /^\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d(\.\d+)?)?)?$/;
const TIME_WITH_ZONE = /^\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:?\d\d)$/;
const NUMBER = /^\d+(\.\d+)?$/;

/** Milliseconds since the epoch, or null if the value is no time. */
export type ParseTime = (value: Json | undefined) => number | null;

/** Whether a value says which moment it means, without a time zone from elsewhere. */
export function hasTimeZone(value: string): boolean {
  return NUMBER.test(value) || TIME_WITH_ZONE.test(value);
}

/** Whether a text is a time as Django writes it. */
export function isTime(value: string): boolean {
  return TIME.test(value) || TIME_WITH_ZONE.test(value);
}

/**
 * Returns a parser of times: ISO 8601 as Django writes it, or seconds since the epoch. `zone` is that of times without an
 * offset, such as `Europe/Berlin`. Default: UTC. Throws `SourceError` for an unknown zone.
 */
export function timeParser(zone: string | undefined): ParseTime {
  const toUtc = zone === undefined ? (local: number) => local : localTimes(zone);
  return (value) => {
    if (typeof value === "number") return fromNumber(value);
    if (typeof value !== "string") return null;
    if (TIME_WITH_ZONE.test(value)) return valid(Date.parse(value));
    if (TIME.test(value)) {
      const local = valid(Date.parse(value.length === "2024-01-01".length ? value : `${value}Z`));
      return local === null ? null : toUtc(local);
    }
    return NUMBER.test(value) ? fromNumber(Number(value)) : null;
  };
}

function fromNumber(value: number): number {
  return Math.floor(value > MAX_SECONDS ? value : value * 1000);
}

function valid(time: number): number | null {
  return Number.isNaN(time) ? null : time;
}

/** Converts times of a zone, given as if they were in UTC. */
function localTimes(zone: string): (local: number) => number {
  const format = zoneFormat(zone);
  const offsets = new Map<number, number>();
  const offsetAt = (time: number) => {
    const hour = Math.floor(time / HOUR_MS);
    let offset = offsets.get(hour);
    if (offset === undefined) offsets.set(hour, (offset = offsetOf(format, hour * HOUR_MS)));
    return offset;
  };
  // The first guess is wrong in the hours around a change of the clocks, the second is not.
  return (local) => local - offsetAt(local - offsetAt(local));
}

function zoneFormat(zone: string): Intl.DateTimeFormat {
  try {
    return new Intl.DateTimeFormat("en", { timeZone: zone, timeZoneName: "longOffset" });
  } catch {
    throw new SourceError(`--timezone ${zone}: unknown time zone. Write it as Europe/Berlin or +02:00.`);
  }
}

/** The offset from UTC in milliseconds, from `GMT+02:00`. */
function offsetOf(format: Intl.DateTimeFormat, time: number): number {
  const name = format.formatToParts(time).find(({ type }) => type === "timeZoneName")?.value ?? "";
  const [, sign, hours, minutes = "0", seconds = "0"] = /([+-])(\d\d):?(\d\d)?:?(\d\d)?/.exec(name) ?? [];
  if (sign === undefined) return 0;
  const offset = Number(hours) * HOUR_MS + Number(minutes) * 60_000 + Number(seconds) * 1000;
  return sign === "-" ? -offset : offset;
}
