// Phone numbers in the one form in which they are kept: E.164, with their country.
import { type CountryCode, getCountries, parsePhoneNumberFromString } from 'libphonenumber-js/min';

export interface PhoneNumber {
  /** `+436601234567` */
  readonly e164: string;
  /** ISO 3166; undefined for numbers of no country, such as those of satellites. */
  readonly country: string | undefined;
}

/** Nobody types a longer one. */
const MOST_TYPED = 60;

/** undefined when it is no number that could be reached, or has no country in front. */
export function parsePhoneNumber(typed: string): PhoneNumber | undefined {
  if (typed.length > MOST_TYPED) return undefined;
  const parsed = parsePhoneNumberFromString(typed.normalize('NFKC').trim());
  if (!parsed?.isValid() || parsed.ext !== undefined) return undefined;
  return { e164: parsed.number, country: parsed.country };
}

export function isCountry(text: string): text is CountryCode {
  return getCountries().some((country) => country === text);
}

/** For whoever may know that there is a number but not which. */
export function shortenedPhone(e164: string): string {
  return `•••• ${e164.slice(-2)}`;
}

/** `anna@example.com` as `a•••@example.com`. */
export function shortenedMail(address: string): string {
  const at = address.lastIndexOf('@');
  const [first = ''] = address.slice(0, at);
  return `${first}•••${address.slice(at)}`;
}
