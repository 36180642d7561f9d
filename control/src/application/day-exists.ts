/** Whether `YYYY-MM-DD` names a day of the calendar; runtimes differ in what they make of 31 February. */
export function dayExists(day: string): boolean {
  const ms = /^\d{4}-\d\d-\d\d$/.test(day) ? Date.parse(`${day}T00:00:00Z`) : Number.NaN;
  return !Number.isNaN(ms) && new Date(ms).toISOString().startsWith(day);
}
