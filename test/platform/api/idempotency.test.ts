// Idempotency keys: a POST sent twice is done once, whoever dies or fails on the way.
import { randomBytes } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { createIdempotency, type KeyedRequest } from '../../../src/platform/api/idempotency.ts';
import type { Reply } from '../../../src/platform/api/reply.ts';
import type { Caller } from '../../../src/platform/api/route.ts';
import { AppError, failure } from '../../../src/platform/errors.ts';
import { withOrigin } from '../../../src/platform/origin.ts';
import { createSeal } from '../../../src/platform/secrets/seal.ts';
import { useDatabase } from '../../support/database.ts';

const { db } = useDatabase();
const ledger = new Set<string>();
const idempotency = createIdempotency({
  db,
  seal: createSeal(randomBytes(32)),
  wasDone: async ({ requestId }) => ledger.has(requestId),
});

const unbound = { accountId: null, organizationId: null, apiKeyId: null };
const caller: Caller = { kind: 'client', id: 'cli_1', clientId: 'cli_1', permissions: [], ...unbound };
let keys = 0;

function request(more: Partial<KeyedRequest> = {}): KeyedRequest {
  keys += 1;
  return { key: `key-${keys}`, caller, route: 'POST /things', input: [null, null, { name: 'a' }], ...more };
}

function counting(reply: Partial<Reply> = {}) {
  const counted = {
    times: 0,
    act: async (): Promise<Reply> => ({ status: 201, headers: {}, body: null, ...reply }),
  };
  const { act } = counted;
  counted.act = () => {
    counted.times += 1;
    return act();
  };
  return counted;
}

const codeOf = (run: Promise<unknown>) =>
  run.then(
    () => 'answered',
    (error) => (error instanceof AppError ? error.code : String(error)),
  );
const inRequest = <T>(requestId: string, run: () => Promise<T>) =>
  withOrigin({ requestId, address: null, userAgent: null }, run);

describe('a key', () => {
  it('is done once and answered again as it was', async () => {
    const asked = request();
    const made = counting({ headers: { ETag: '"1"' }, body: '{"secret":"s3cret"}' });
    const first = await idempotency.once(asked, made.act);
    const second = await idempotency.once(asked, made.act);
    expect([first.replayed, second.replayed, made.times]).toEqual([false, true, 1]);
    expect(second.answer).toEqual({ status: 201, headers: { ETag: '"1"' }, body: '{"secret":"s3cret"}' });
  });

  it('keeps nothing readable of the answer, and nothing of the key', async () => {
    await idempotency.once(request({ key: 'my-own-key' }), counting({ body: '{"secret":"s3cret"}' }).act);
    const rows = await db('idempotency_keys').select('*');
    const text = rows.map((row) => Object.values(row).map(String).join(' ')).join('\n');
    expect(text).not.toMatch(/s3cret|my-own-key/);
  });

  it('keeps a refusal, too', async () => {
    const asked = request();
    const refuse = async () => {
      throw failure('identifier_taken', { kind: 'email' });
    };
    const first = await idempotency.once(asked, refuse);
    const second = await idempotency.once(asked, counting().act);
    expect(second).toMatchObject({
      replayed: true,
      answer: { code: 'identifier_taken', details: { kind: 'email' } },
    });
    expect(first.answer).toBeInstanceOf(AppError);
  });

  it('is done by one of twenty that come at once; the others are told to wait or get its answer', async () => {
    const asked = request();
    const made = counting();
    const slow = async () => {
      const reply = await made.act();
      await new Promise((resolve) => setTimeout(resolve, 100));
      return reply;
    };
    const codes = await Promise.all(Array.from({ length: 20 }, () => codeOf(idempotency.once(asked, slow))));
    expect(made.times).toBe(1);
    expect(new Set(codes)).toEqual(new Set(['answered', 'idempotency_key_in_use']));
  });

  it('is refused for another body', async () => {
    const asked = request();
    await idempotency.once(asked, counting().act);
    const other = { ...asked, input: [null, null, { name: 'b' }] };
    expect(await codeOf(idempotency.once(other, counting().act))).toBe('idempotency_key_reused');
  });

  it.each([
    ['another caller', { caller: { ...caller, id: 'cli_2', clientId: 'cli_2' } }],
    ['the same person by another client', { caller: { ...caller, clientId: 'cli_3' } }],
    ['the same person within an organization', { caller: { ...caller, organizationId: 'org_1' } }],
    ['another route', { route: 'POST /others' }],
  ])('is a key of its own for %s', async (_who, more) => {
    const asked = request();
    await idempotency.once(asked, counting().act);
    const made = counting();
    expect((await idempotency.once({ ...asked, ...more }, made.act)).replayed).toBe(false);
    expect(made.times).toBe(1);
  });
});

describe('a failure on the way', () => {
  it('is not kept: the caller may try again at once', async () => {
    const asked = request();
    const fail = async () => {
      throw failure('database_unavailable');
    };
    expect(await codeOf(idempotency.once(asked, fail))).toBe('database_unavailable');
    const made = counting();
    await idempotency.once(asked, made.act);
    expect(made.times).toBe(1);
  });

  it('does not do twice what was committed before the failure: the ledger has it', async () => {
    const asked = request();
    const commitThenFail = async () => {
      ledger.add('req-committed');
      throw new Error('the connection ended after the commit');
    };
    await codeOf(inRequest('req-committed', () => idempotency.once(asked, commitThenFail)));
    const made = counting();
    expect(await codeOf(idempotency.once(asked, made.act))).toBe('idempotency_answer_lost');
    expect(made.times).toBe(0);
  });

  it('frees the key of a server that died, once its time is over and for one of those who ask', async () => {
    const asked = request();
    await new Promise<void>((begun) => {
      const never = () => {
        begun();
        return new Promise<Reply>(() => {});
      };
      void inRequest('req-died', () => idempotency.once(asked, never));
    });
    expect(await codeOf(idempotency.once(asked, counting().act))).toBe('idempotency_key_in_use');
    await db('idempotency_keys')
      .whereNull('answer')
      .update({ claimed_until: new Date(0) });

    const made = counting();
    const codes = await Promise.all(
      Array.from({ length: 10 }, () => codeOf(idempotency.once(asked, made.act))),
    );
    expect(made.times).toBe(1);
    expect(codes).toContain('answered');
  });
});

describe('an act that takes long', () => {
  it('keeps its claim as long as it runs', async () => {
    const patient = createIdempotency({
      db,
      seal: createSeal(randomBytes(32)),
      wasDone: async () => false,
      renewMilliseconds: 20,
    });
    const asked = request();
    const { promise: ended, resolve: end } = Promise.withResolvers<void>();
    const made = counting();
    const slow = async () => {
      await ended;
      return made.act();
    };
    const first = inRequest('req-slow', () => patient.once(asked, slow));
    const lapsed = () =>
      db('idempotency_keys').where({ request_id: 'req-slow' }).whereRaw('claimed_until <= now()');
    await expect
      .poll(() =>
        db('idempotency_keys')
          .where({ request_id: 'req-slow' })
          .update({ claimed_until: new Date(0) }),
      )
      .toBe(1);
    await expect.poll(lapsed, { timeout: 10_000 }).toEqual([]);
    expect(await codeOf(patient.once(asked, made.act))).toBe('idempotency_key_in_use');
    end();
    expect((await first).replayed).toBe(false);
    expect(made.times).toBe(1);
  });
});

it('removes keys after their day, and forgets them at once when they are used again', async () => {
  const [old, used] = [request(), request()];
  for (const asked of [old, used]) await idempotency.once(asked, counting().act);
  await db('idempotency_keys').update({ expires_at: new Date(0) });
  const made = counting();
  expect((await idempotency.once(used, made.act)).replayed).toBe(false);
  for (const job of idempotency.jobs()) await job.run();
  expect(await db('idempotency_keys').count()).toEqual([{ count: '1' }]);
});
