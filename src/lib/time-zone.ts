// Time zones by their names in the IANA database.

/** Offsets such as +01:00 are none: they know no summer time, and PostgreSQL reads them with the opposite sign. */
export function isTimeZone(text: string): boolean {
  if (!/^[a-z]/i.test(text)) return false;
  try {
    new Intl.DateTimeFormat('en', { timeZone: text });
    return true;
  } catch {
    return false;
  }
}
