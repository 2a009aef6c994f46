import { count } from "./names.ts";

const DAY_MS = 86_400_000;

const { hour12 } = new Intl.DateTimeFormat(undefined, { hour: "numeric" }).resolvedOptions();
const clock = new Intl.DateTimeFormat(undefined, { hour: hour12 ? "numeric" : "2-digit", minute: "2-digit" });
const weekday = new Intl.DateTimeFormat(undefined, { weekday: "long" });
const dayOfYear = new Intl.DateTimeFormat(undefined, { weekday: "long", day: "numeric", month: "long" });
const fullDay = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "long", year: "numeric" });
const shortDay = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short" });
const shortDate = new Intl.DateTimeFormat(undefined, { day: "2-digit", month: "2-digit", year: "numeric" });
const exact = new Intl.DateTimeFormat(undefined, { dateStyle: "full", timeStyle: "medium" });

/** A number that is the same for all times of one day, where the user is. */
export function dayOf(time: string): number {
  const date = new Date(time);
  return Date.UTC(date.getFullYear(), date.getMonth(), date.getDate()) / DAY_MS;
}

/** Days from the day of a time until today. */
function age(time: string): number {
  return dayOf(new Date().toISOString()) - dayOf(time);
}

const isThisYear = (time: string) => new Date(time).getFullYear() === new Date().getFullYear();

/** 09:30 */
export const clockTime = (time: string) => clock.format(new Date(time));

/** 09:30, without AM or PM where there is little space. */
export const shortClockTime = (time: string) => clockTime(time).replace(/\s*[AP]M$/i, "");

/** Thursday, 26 November 2026 at 09:30:12 */
export const exactTime = (time: string) => exact.format(new Date(time));

/** Today, Yesterday, Thursday 26 November */
export function dayName(time: string): string {
  const days = age(time);
  if (days === 0) return "Today";
  if (days === 1) return "Yesterday";
  return (isThisYear(time) ? dayOfYear : fullDay).format(new Date(time));
}

/** As short as it can be for a list: 09:30, Yesterday, Thursday, 26 Nov, 26/11/2026 */
export function shortTime(time: string): string {
  const days = age(time);
  if (days <= 0) return clockTime(time);
  if (days === 1) return "Yesterday";
  if (days < 7) return weekday.format(new Date(time));
  return (isThisYear(time) ? shortDay : shortDate).format(new Date(time));
}

const units: readonly (readonly [number, string])[] = [
  [86_400, "day"],
  [3600, "hour"],
  [60, "minute"],
];

/** 10 seconds, 1 hour, 90 seconds */
export function duration(seconds: number): string {
  const [size, unit] = units.find(([length]) => seconds > 0 && seconds % length === 0) ?? [1, "second"];
  return count(seconds / size, unit);
}

/** For "until …": a time today, or a day and a time. */
export function moment(time: string): string {
  return age(time) === 0 ? clockTime(time) : `${fullDay.format(new Date(time))}, ${clockTime(time)}`;
}
