const HOUR_MS = 3_600_000;

const durations: readonly (readonly [number, string])[] = [
  [HOUR_MS, "1 hour"],
  [24 * HOUR_MS, "1 day"],
  [7 * 24 * HOUR_MS, "1 week"],
  [30 * 24 * HOUR_MS, "30 days"],
  [0, "Until it is lifted"],
];

/** How long a mute or a ban lasts. */
export function DurationField({ name }: { name: string }) {
  return (
    <select name={name} aria-label="For how long">
      {durations.map(([milliseconds, label]) => (
        <option key={milliseconds} value={milliseconds}>
          {label}
        </option>
      ))}
    </select>
  );
}

/** When a duration that begins now ends. Undefined if it has no end. */
export function endOf(milliseconds: number): string | undefined {
  return milliseconds > 0 ? new Date(Date.now() + milliseconds).toISOString() : undefined;
}
