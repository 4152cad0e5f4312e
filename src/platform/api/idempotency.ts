// Idempotency keys: a POST that is sent again with the same key is not done again, but answered as it was the first time.
import { hash } from 'node:crypto';
import type { Db } from '../database/postgres.ts';
import { AppError, failure } from '../errors.ts';
import { inBatches } from '../jobs/batches.ts';
import type { Job } from '../jobs/jobs.ts';
import { currentOrigin } from '../origin.ts';
import type { Seal } from '../secrets/seal.ts';
import {
  abandonKey,
  claimAbandoned,
  claimKey,
  deleteExpired,
  type KnownKey,
  keepAnswer,
  readKey,
  renewClaim,
} from './idempotency-store.ts';
import type { Reply } from './reply.ts';
import type { Caller, Route } from './route.ts';

/** The POST that a key stands for. */
export interface KeyedRequest {
  readonly key: string;
  readonly caller: Caller;
  /** Method and path pattern. */
  readonly route: string;
  /** All that was asked, as parsed: path, query and body. */
  readonly input: unknown;
}

export interface Kept {
  /** What was answered: a reply, or the failure that was thrown. */
  readonly answer: Reply | AppError;
  readonly replayed: boolean;
}

export interface Idempotency {
  /**
   * Runs the act once for its key, and answers what it answered; an unexpected error of the act is thrown, and
   * the act may be tried again. Throws idempotency_key_in_use, idempotency_key_reused, idempotency_answer_lost.
   */
  once(request: KeyedRequest, act: () => Promise<Reply>): Promise<Kept>;
  jobs(): Job[];
}

export interface IdempotencyDeps {
  db: Db;
  /** Answers hold secrets that are shown once. */
  seal: Seal;
  /** Whether the ledger holds an act of this caller under this request: asked when a server died before it answered. */
  wasDone(act: { requestId: string; actorId: string; since: Date }): Promise<boolean>;
  /** How often a claim is renewed while its act runs; tests shorten it. */
  renewMilliseconds?: number;
}

const HOUR_SECONDS = 3600;
/** Three times in the span of a claim. */
const RENEW_MILLISECONDS = 20_000;
/** Claims carry the time of the database, events that of a node. */
const CLOCKS_DIFFER_MILLISECONDS = 60_000;

export function createIdempotency(deps: IdempotencyDeps): Idempotency {
  const { db, seal } = deps;

  /** True: the act is ours to do. Otherwise what is known of the key. */
  async function claim(request: KeyedRequest, row: ClaimedRow): Promise<true | KnownKey> {
    if (await claimKey(db, row)) return true;
    const known = await readKey(db, row.keyHash);
    // Freed a moment ago, by a failure of the first request: the caller may try again.
    if (known === undefined) throw failure('idempotency_key_in_use', { retryAfterSeconds: 1 });
    if (!known.requestHash.equals(row.requestHash)) throw failure('idempotency_key_reused');
    if (known.answer !== null) return known;
    if (!known.abandoned) throw failure('idempotency_key_in_use', { retryAfterSeconds: 1 });
    await refuseDone(request, known);
    if (await claimAbandoned(db, row)) return true;
    throw failure('idempotency_key_in_use', { retryAfterSeconds: 1 });
  }

  /** The first request failed on the way, perhaps after its commit. Its event is in that commit, so the ledger knows. */
  async function refuseDone({ caller }: KeyedRequest, { requestId, claimedAt }: KnownKey): Promise<void> {
    if (requestId === null) return;
    const since = new Date(claimedAt.getTime() - CLOCKS_DIFFER_MILLISECONDS);
    if (!(await deps.wasDone({ requestId, actorId: caller.id, since }))) return;
    throw failure('idempotency_answer_lost', { lostRequestId: requestId });
  }

  async function settled(act: () => Promise<Reply>, row: ClaimedRow): Promise<Reply | AppError> {
    // However long the act takes, nobody else begins it meanwhile. A renewal that fails is made up for by the next.
    const renewal = setInterval(
      () => void renewClaim(db, row).catch(() => undefined),
      deps.renewMilliseconds ?? RENEW_MILLISECONDS,
    );
    renewal.unref();
    try {
      return await act();
    } catch (error) {
      if (error instanceof AppError && isLasting(error)) return error;
      // Nothing is kept, and the caller may try again at once; were this to fail as well, the claim runs out by itself.
      clearInterval(renewal);
      await abandonKey(db, row.keyHash).catch(() => undefined);
      throw error;
    } finally {
      clearInterval(renewal);
    }
  }

  async function keep(keyHash: Buffer, answer: Reply | AppError): Promise<Kept> {
    const text = JSON.stringify(answer instanceof AppError ? failureOf(answer) : answer);
    await keepAnswer(db, keyHash, seal.seal(Buffer.from(text), contextOf(keyHash)));
    return { answer, replayed: false };
  }

  return {
    async once(request, act) {
      const row = rowOf(request);
      const claimed = await claim(request, row);
      if (claimed !== true) return { answer: opened(seal, row.keyHash, claimed), replayed: true };
      return keep(row.keyHash, await settled(act, row));
    },

    jobs: () => [
      {
        name: 'idempotency-keys-expiry',
        everySeconds: HOUR_SECONDS,
        async run(signal) {
          await inBatches((limit) => deleteExpired(db, limit), signal);
        },
      },
    ],
  };
}

interface ClaimedRow {
  keyHash: Buffer;
  requestHash: Buffer;
  requestId: string | null;
}

function rowOf({ key, caller, route, input }: KeyedRequest): ClaimedRow {
  // What was answered within one organization is not answered again within another.
  const within = caller.organizationId === null ? [] : [caller.organizationId];
  // As JSON, so that no two lists of parts can run into one text.
  const digest = (parts: unknown) => hash('sha256', JSON.stringify(parts), 'buffer');
  return {
    keyHash: digest([caller.kind, caller.id, caller.clientId, ...within, route, key]),
    requestHash: digest(input),
    requestId: currentOrigin().requestId,
  };
}

function contextOf(keyHash: Buffer): string {
  return `idempotency_keys.answer:${keyHash.toString('hex')}`;
}

/** A failure that would be the same again. That the server or its limits are busy passes. */
function isLasting(error: AppError): boolean {
  return error.status < 500 && error.status !== 429;
}

function failureOf({ code, details }: AppError): StoredFailure {
  return { failure: { code, details } };
}

interface StoredFailure {
  failure: Pick<AppError, 'code' | 'details'>;
}

function opened(seal: Seal, keyHash: Buffer, { answer }: KnownKey): Reply | AppError {
  const text = answer === null ? undefined : seal.open(answer, contextOf(keyHash));
  if (text === undefined) throw new Error('the stored answer of an idempotency key does not open');
  // Written by `keep`, and sealed since.
  const stored = JSON.parse(text.toString()) as Reply | StoredFailure;
  return 'failure' in stored ? failure(stored.failure.code, stored.failure.details) : stored;
}

/** Whoever sends a POST again cannot know whether it was done; other methods may be repeated as they are. */
export function takesKey(route: Pick<Route, 'method' | 'permission'>): boolean {
  return route.method === 'POST' && route.permission !== 'public';
}

/** The key of a request: a structured-field string or its bare text; undefined without one. Throws request_invalid. */
export function idempotencyKeyOf(header: string | string[] | undefined): string | undefined {
  if (header === undefined) return undefined;
  const text = Array.isArray(header) ? header.join(', ') : header;
  const [, quoted, bare] =
    /^(?:"([\x21\x23-\x5b\x5d-\x7e]{1,255})"|([\x21\x23-\x7e]{1,255}))$/.exec(text) ?? [];
  const key = quoted ?? bare;
  if (key !== undefined) return key;
  const fields = { 'Idempotency-Key': 'Has 1 to 255 visible characters.' };
  throw failure('request_invalid', { fields });
}
