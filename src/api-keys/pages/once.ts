// A form that makes a secret, sent twice (a second click, a slow network): it is made once, and shown to whoever sent it. By
// the same door as the Idempotency-Key of the management API.
import { setTimeout as delay } from 'node:timers/promises';
import { z } from 'zod';
import { AppError } from '../../platform/errors.ts';
import type { PageResult, Person } from '../../platform/http/page.ts';
import { randomToken } from '../../platform/secrets/tokens.ts';
import type { Authority } from '../api-keys.ts';
import { type KeyPageDeps, keyView } from './frame.ts';

/** The hidden field of a form; each form that is shown has another token in it. */
export const ONCE = 'once';
export const onceToken = (): string => randomToken(16);

/** The same click; whoever sends the form again later finds the browser open, or was shown it long ago. */
const SHOWN_AGAIN_MILLISECONDS = 60_000;
const WAIT_MILLISECONDS = 200;
const MOST_WAITS = 50;

const Issued = z.object({ name: z.string(), secret: z.string(), next: z.string(), at: z.number() });
type Issued = Omit<z.output<typeof Issued>, 'at'>;

export interface Sending {
  readonly person: Person;
  readonly as: Authority;
  /** What is made, and of what. */
  readonly route: string;
  readonly title: string;
  /** All of the form, as it was sent. */
  readonly typed: Readonly<Record<string, string>>;
  /** Where one looks when it was made before. */
  readonly next: string;
}

type OnceDeps = Pick<KeyPageDeps, 'idempotency' | 'clock'>;

/** Throws what `make` throws. */
export async function makeOnce(
  deps: OnceDeps,
  sending: Sending,
  make: () => Promise<Issued>,
): Promise<PageResult> {
  const { answer, replayed } = await answered(deps, sending, make);
  if (answer === undefined) return issuedView(sending.title, { name: '', secret: null, next: sending.next });
  if (answer instanceof AppError) throw answer;
  const { at, secret, ...issued } = Issued.parse(JSON.parse(answer.body ?? ''));
  const isOver = replayed && deps.clock.now().getTime() - at > SHOWN_AGAIN_MILLISECONDS;
  return issuedView(sending.title, { ...issued, secret: isOver ? null : secret });
}

/** Waits for the sending that came first; undefined when that one was done and nobody knows its answer. */
async function answered(deps: OnceDeps, sending: Sending, make: () => Promise<Issued>, waits = 0) {
  try {
    return await deps.idempotency.once(requestOf(sending), async () => ({
      status: 201,
      headers: {},
      body: JSON.stringify({ ...(await make()), at: deps.clock.now().getTime() }),
    }));
  } catch (error) {
    if (!(error instanceof AppError)) throw error;
    if (error.code === 'idempotency_answer_lost') return { answer: undefined, replayed: true };
    if (error.code !== 'idempotency_key_in_use' || waits >= MOST_WAITS) throw error;
    await delay(WAIT_MILLISECONDS);
    return answered(deps, sending, make, waits + 1);
  }
}

function requestOf({ person, as, route, typed }: Sending) {
  if (as.caller === undefined) throw new Error('these pages are for people');
  const { [ONCE]: token = onceToken(), ...input } = typed;
  // The whole form is part of the key: changed, it is another wish and no mistake.
  const key = JSON.stringify([person.sessionId, token, input]);
  return { key, caller: as.caller, route, input };
}

/** The answer to the post itself, in no address. */
function issuedView(title: string, model: { name: string; secret: string | null; next: string }): PageResult {
  return keyView('issued', title, model);
}
