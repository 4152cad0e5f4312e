// How long sign-in waits after how many failures: pure rules, and the one table that the store applies.

export interface LockoutSettings {
  /** Failures of one identifier from one address before the first delay. */
  freeAttempts: number;
  /** Failures of one identifier from anywhere before the first delay. */
  accountFreeAttempts: number;
  /** Failures from one address, to any identifier, before the first delay. */
  addressFreeAttempts: number;
  baseDelaySeconds: number;
  maximumDelaySeconds: number;
}

export type Level = 'pair' | 'identifier' | 'address';

/** After so long without a failure the counts begin anew: longer than any delay, so that waiting one out never resets. */
export const FORGET_AFTER_SECONDS = 2 * 86_400;
/**
 * Counts of an address, and of a name from one address, that have cost nothing yet are kept an hour for each failure in
 * them. So attempts from ever new addresses leave rows for an hour only, while one address still gets no more than one
 * failure an hour for nothing in the long run. The name itself is kept for the whole time.
 */
export const FREE_KEPT_SECONDS_PER_FAILURE = 3600;
/** So long an address from which the identifier signed in stays known. */
export const KNOWN_ADDRESS_SECONDS = 30 * 86_400;
/** Wrong codes in a row within one sign-in; then it waits so long, or is begun anew with the password. */
export const GUESSES_PER_SIGN_IN = 5;
export const GUESSING_SECONDS = 15 * 60;

/** Free attempts cost nothing; the one that uses them up starts the base delay; each further failure doubles it. */
export function delaySeconds(
  failures: number,
  freeAttempts: number,
  settings: { baseDelaySeconds: number; maximumDelaySeconds: number },
): number {
  if (failures < freeAttempts) return 0;
  return Math.min(settings.maximumDelaySeconds, settings.baseDelaySeconds * 2 ** (failures - freeAttempts));
}

/**
 * Delays by number of failures, from the first one to the one that reaches the maximum. The database looks them up,
 * because counting and blocking must be one statement there while the rule stays here.
 */
export function delayTable(freeAttempts: number, settings: LockoutSettings): number[] {
  const table: number[] = [];
  for (let failures = 1; ; failures += 1) {
    const delay = delaySeconds(failures, freeAttempts, settings);
    table.push(delay);
    if (delay >= settings.maximumDelaySeconds) return table;
  }
}

export function freeAttemptsOf(level: Level, settings: LockoutSettings): number {
  if (level === 'pair') return settings.freeAttempts;
  return level === 'identifier' ? settings.accountFreeAttempts : settings.addressFreeAttempts;
}
