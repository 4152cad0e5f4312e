// The growing pauses of a queue that tries again.

const FIRST_PAUSE_SECONDS = 15;
const LONGEST_PAUSE_SECONDS = 2 * 60 * 60;

/** 15 s, 45 s, 2 min, 7 min … 2 h; a quarter more or less, so that a server that returns is not met by all at once. */
export function pauseSeconds(attempts: number, random: () => number = Math.random): number {
  const pause = Math.min(FIRST_PAUSE_SECONDS * 3 ** (attempts - 1), LONGEST_PAUSE_SECONDS);
  return pause * (0.75 + random() / 2);
}
