// Answers that take the same time whether there is such an account or not.
import { setTimeout as pause } from 'node:timers/promises';

/** More than the work takes on a server that is not overloaded; and it is nearly the same work for everybody. */
const MILLISECONDS = 250;

/** Done when both the work and the time are over; a failure of the work waits as well. */
export async function evenly<T>(work: Promise<T>): Promise<T> {
  const [settled] = await Promise.allSettled([work, pause(MILLISECONDS)]);
  if (settled.status === 'rejected') throw settled.reason;
  return settled.value;
}
