// Days and moments in words, in the language and the time zone of whoever reads them.

export interface Dates {
  /** 3 May 2026 */
  day(at: Date): string;
  /** 3 May 2026 at 10:24; with the name of the zone when nobody chose one. */
  moment(at: Date): string;
}

/** Formats are dear to make: each is made once. */
export function createDates(): (locale: string, timeZone: string | null) => Dates {
  const made = new Map<string, Dates>();
  return (locale, timeZone) => {
    const key = `${locale} ${timeZone ?? ''}`;
    const known = made.get(key);
    if (known !== undefined) return known;
    const dates = datesFor(locale, timeZone);
    made.set(key, dates);
    return dates;
  };
}

function datesFor(locale: string, chosen: string | null): Dates {
  const timeZone = chosen ?? 'UTC';
  // British rather than American: the day before the month, and 24 hours.
  const language = locale === 'en' ? 'en-GB' : locale;
  const date = { day: 'numeric', month: 'long', year: 'numeric' } as const;
  const zone = chosen === null ? ({ timeZoneName: 'short' } as const) : {};
  const time = { hour: '2-digit', minute: '2-digit', ...zone } as const;
  const day = new Intl.DateTimeFormat(language, { ...date, timeZone });
  const moment = new Intl.DateTimeFormat(language, { ...date, ...time, timeZone });
  return { day: (at) => day.format(at), moment: (at) => moment.format(at) };
}
