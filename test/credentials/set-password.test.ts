// Setting a password: the policy, the breach check that fails open, the event, and what is never written.

import { createHash, randomUUID } from 'node:crypto';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createRangeCheck } from '../../src/credentials/password/breached.ts';
import type { AccountId } from '../../src/lib/ids.ts';
import { useDatabase } from '../support/database.ts';
import { createWorld, operator, PASSWORD, type World } from './world.ts';

const { postgres, db } = useDatabase();

const person = (world: World) =>
  world.accounts.create({ username: `u-${randomUUID()}`, name: 'Grace Hopper' }, operator);

const types = (id: AccountId) =>
  db('audit_events').where({ account_id: id }).orderBy('sequence').pluck('type');

const detailsOf = (id: AccountId) =>
  db('audit_events').where({ account_id: id, type: 'password.set' }).orderBy('sequence').pluck('details');

describe('setting a password', () => {
  it('stores a PHC string of the set cost and one event, and the password nowhere', async () => {
    const world = createWorld(postgres);
    const { id } = await person(world);
    expect(await world.credentials.hasPassword(id)).toBe(false);
    await world.credentials.setPassword(id, PASSWORD, operator);
    expect(await world.credentials.hasPassword(id)).toBe(true);
    const row = await db('passwords').where({ account_id: id }).first('hash');
    expect(row?.hash).toMatch(/^\$argon2id\$v=19\$m=64,t=1,p=1\$[\w+/]{22}\$[\w+/]{43}$/);
    expect(await types(id)).toEqual(['account.created', 'password.set']);
    expect(JSON.stringify(await db('audit_events').where({ account_id: id }))).not.toContain(PASSWORD);
  });

  it('that is the first of an account ends nothing', async () => {
    const world = createWorld(postgres);
    const { id } = await person(world);
    await world.credentials.setPassword(id, PASSWORD, operator);
    expect(world.ended).toEqual([]);
    expect(await detailsOf(id)).toEqual([{}]);
  });

  it('in place of another one ends what the account has open, unless that shall stay', async () => {
    const world = createWorld(postgres);
    const { id } = await person(world);
    await world.credentials.setPassword(id, PASSWORD, operator);
    const [next, last] = ['violet umbrella over a harbour', 'violet umbrella over a meadow'];
    await world.credentials.setPassword(id, next, operator, undefined, { keepSessions: true });
    expect(world.ended).toEqual([]);
    await world.credentials.setPassword(id, last, operator);
    expect(world.ended).toEqual([id]);
    expect(await detailsOf(id)).toEqual([{}, { sessions: 'kept' }, { sessions: 'ended' }]);
  });

  it('changes nothing when what the account has open cannot be ended', async () => {
    const world = createWorld(postgres, {
      endAccountState: async () => {
        throw new Error('no');
      },
    });
    const { id } = await person(world);
    await world.credentials.setPassword(id, PASSWORD, operator);
    const before = await db('passwords').where({ account_id: id }).first('hash');
    const another = 'violet umbrella over a harbour';
    await expect(world.credentials.setPassword(id, another, operator)).rejects.toThrow('no');
    expect(await db('passwords').where({ account_id: id }).first('hash')).toEqual(before);
    expect(await types(id)).toEqual(['account.created', 'password.set']);
  });

  it.each([
    ['only 12 long', 'password_too_short'],
    ['x9!'.repeat(100), 'password_too_long'],
    ['PasswordPassword', 'password_common'],
    ['GraceHopper1906', 'password_contextual'],
  ])('%j is refused with %s and the lengths that hold', async (password, code) => {
    const world = createWorld(postgres);
    const { id } = await person(world);
    const refused = world.credentials.setPassword(id, password, operator);
    await expect(refused).rejects.toMatchObject({ code, details: { minimumLength: 15, maximumLength: 256 } });
    await refused.catch((error: Error) =>
      expect(JSON.stringify(error) + error.message).not.toContain(password),
    );
    expect(await world.credentials.hasPassword(id)).toBe(false);
  });

  it('of nobody says so, also when the account goes in the meantime', async () => {
    const world = createWorld(postgres);
    const nobody = 'acc_00000000000000000000000000' as AccountId;
    const refused = { code: 'account_not_found' };
    await expect(world.credentials.setPassword(nobody, PASSWORD, operator)).rejects.toMatchObject(refused);
    const { id } = await person(world);
    const gone = createWorld(postgres, {
      breaches: [
        async () => {
          await world.accounts.remove(id, operator);
          return false;
        },
      ],
    });
    await expect(gone.credentials.setPassword(id, PASSWORD, operator)).rejects.toMatchObject(refused);
  });

  it('in a transaction that fails leaves nothing', async () => {
    const world = createWorld(postgres);
    const { id } = await person(world);
    const work = postgres.transaction(async (trx) => {
      await world.credentials.setPassword(id, PASSWORD, operator, trx);
      throw new Error('later');
    });
    await expect(work).rejects.toThrow('later');
    expect(await world.credentials.hasPassword(id)).toBe(false);
    expect(await types(id)).toEqual(['account.created']);
  });

  it('is refused as busy when too many are hashed already', async () => {
    const world = createWorld(postgres, {
      settings: {
        hashConcurrency: 1,
        hashQueue: 0,
        argon2: { memoryKiB: 65_536, iterations: 4, parallelism: 1 },
      },
    });
    const people = await Promise.all([1, 2, 3].map(() => person(world)));
    const results = await Promise.allSettled(
      people.map(({ id }) => world.credentials.setPassword(id, PASSWORD, operator)),
    );
    const refused = results.filter((result) => result.status === 'rejected');
    expect(refused.length).toBeGreaterThan(0);
    for (const result of refused) expect(result.reason).toMatchObject({ code: 'server_busy', status: 503 });
  });
});

describe('the breach check', () => {
  it('refuses what it knows, takes what it does not know, and fails open with an event', async () => {
    const answers: (boolean | undefined | Error)[] = [true, false, undefined, new Error(PASSWORD)];
    const world = createWorld(postgres, {
      breaches: [
        async () => {
          const answer = answers.shift();
          if (answer instanceof Error) throw answer;
          return answer;
        },
      ],
    });
    const { id } = await person(world);
    await expect(world.credentials.setPassword(id, PASSWORD, operator)).rejects.toMatchObject({
      code: 'password_breached',
    });
    for (const place of ['harbour', 'meadow', 'hill']) {
      await world.credentials.setPassword(id, `violet umbrella over a ${place}`, operator);
    }
    const events = await types(id);
    expect(events.filter((type) => type === 'password.set')).toHaveLength(3);
    expect(events.filter((type) => type === 'password.breach-check-failed')).toHaveLength(2);
    expect(JSON.stringify(await db('audit_events').where({ account_id: id }))).not.toContain(PASSWORD);
  });

  describe('by a range service', () => {
    const asked: string[] = [];
    const suffix = createHash('sha1').update(PASSWORD).digest('hex').toUpperCase().slice(5);
    let answer = { status: 200, body: '' };
    let breachRangeUrl = '';
    const server = createServer((request, response) => {
      asked.push(request.url ?? '');
      response.writeHead(answer.status).end(answer.body);
    });
    beforeAll(async () => {
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
      breachRangeUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}/range`;
    });
    afterAll(() => server.close());

    it.each([
      ['listed', 200, `${suffix}:12\r\n0000:1`, true],
      ['listed in lower case', 200, `0000:1\n${suffix.toLowerCase()}:3`, true],
      ['padding', 200, `${suffix}:0`, false],
      ['not listed', 200, '0000:1', false],
      ['an error page', 503, suffix, undefined],
      ['an endless answer', 200, 'x'.repeat(1_100_000), undefined],
    ])('understands: %s', async (_what, status, body, expected) => {
      answer = { status, body };
      const check = createRangeCheck({ breachRangeUrl, breachRangeTimeoutSeconds: 5 }, fetch);
      expect(await check(PASSWORD)).toBe(expected);
      expect(asked.at(-1)).toMatch(/^\/range\/[0-9A-F]{5}$/);
    });

    it('waits no longer than it may', async () => {
      const check = createRangeCheck(
        { breachRangeUrl, breachRangeTimeoutSeconds: 0.05 },
        (_url, options) =>
          new Promise((_resolve, reject) => {
            options?.signal?.addEventListener('abort', () => reject(new Error('aborted')));
          }),
      );
      await expect(check(PASSWORD)).rejects.toThrow('aborted');
    });
  });
});
