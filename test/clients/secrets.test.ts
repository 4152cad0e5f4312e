// Client secrets: rotation with overlap, the limit, expiry, retirement, and the equal cost of a wrong guess.
import { beforeAll, describe, expect, it } from 'vitest';
import { MAXIMUM_ACTIVE_SECRETS } from '../../src/clients/secrets.ts';
import { useDatabase } from '../support/database.ts';
import { codeOf, createNode, createTestClock, operator } from './support.ts';

const { postgres, db } = useDatabase();
const clock = createTestClock();
const { clients } = createNode(postgres, clock);

beforeAll(() => clients.start());

async function machine() {
  const { client, secret } = await clients.register({ kind: 'machine', name: 'Machine' }, operator);
  return { id: client.id, secret: secret ?? '' };
}

const inSeconds = (seconds: number) => new Date(clock.now().getTime() + seconds * 1000);

describe('client secrets', () => {
  it('takes the right secret of the right client and nothing else', async () => {
    const [one, two] = [await machine(), await machine()];
    expect(await clients.secretMatches(one.id, one.secret)).toBe(true);
    for (const wrong of [
      two.secret,
      '',
      `${one.secret}x`,
      one.secret.slice(0, -1),
      one.secret.toUpperCase(),
    ]) {
      expect(await clients.secretMatches(one.id, wrong)).toBe(false);
    }
    expect(await clients.secretMatches('nobody', one.secret)).toBe(false);
  });

  it('takes both secrets during the overlap, and only the new one after it', async () => {
    const { id, secret } = await machine();
    const added = await clients.addSecret(id, { retireOthersAt: inSeconds(20) }, operator);
    expect(await clients.secretMatches(id, secret)).toBe(true);
    expect(await clients.secretMatches(id, added.secret)).toBe(true);
    // Sooner than the client would be looked up anew: the end is kept without a look at the database.
    clock.advance(20);
    expect(await clients.secretMatches(id, secret)).toBe(false);
    expect(await clients.secretMatches(id, added.secret)).toBe(true);
  });

  it('never gives a secret a later end than it had', async () => {
    const { id } = await machine();
    const short = await clients.addSecret(id, { expiresAt: inSeconds(10) }, operator);
    await clients.addSecret(id, { retireOthersAt: inSeconds(100) }, operator);
    clock.advance(10);
    expect(await clients.secretMatches(id, short.secret)).toBe(false);
  });

  it('ends the others at once when their end is now', async () => {
    const { id, secret } = await machine();
    await clients.addSecret(id, { retireOthersAt: clock.now() }, operator);
    expect(await clients.secretMatches(id, secret)).toBe(false);
  });

  it('retires one secret at once, on another node after one look', async () => {
    const other = createNode(postgres, clock);
    other.clients.start();
    const { id, secret } = await machine();
    const added = await clients.addSecret(id, {}, operator);
    expect(await other.clients.secretMatches(id, added.secret)).toBe(true);
    await clients.retireSecret(id, added.secretId, operator);
    expect(await clients.secretMatches(id, added.secret)).toBe(false);
    expect(await clients.secretMatches(id, secret)).toBe(true);
    await other.changes.poll();
    expect(await other.clients.secretMatches(id, added.secret)).toBe(false);
    expect(await codeOf(clients.retireSecret(id, added.secretId, operator))).toBe('client_secret_not_found');
  });

  it('does not retire the secret of another client', async () => {
    const [one, two] = [await machine(), await machine()];
    const [secret] = await clients.listSecrets(one.id);
    expect(await codeOf(clients.retireSecret(two.id, secret?.id ?? '', operator))).toBe(
      'client_secret_not_found',
    );
    expect(await clients.secretMatches(one.id, one.secret)).toBe(true);
  });

  it('holds the limit when many are added at once', async () => {
    const { id } = await machine();
    const codes = await Promise.all(
      Array.from({ length: 8 }, () => codeOf(clients.addSecret(id, {}, operator))),
    );
    expect(codes.filter((code) => code === 'fulfilled')).toHaveLength(MAXIMUM_ACTIVE_SECRETS - 1);
    expect(codes.filter((code) => code === 'client_secret_limit')).toHaveLength(
      8 - MAXIMUM_ACTIVE_SECRETS + 1,
    );
    expect(await codeOf(clients.addSecret(id, { retireOthersAt: clock.now() }, operator))).toBe('fulfilled');
  });

  it('adds no secret that has ended already, and none to a client that does not use secrets', async () => {
    const { id } = await machine();
    expect(await codeOf(clients.addSecret(id, { expiresAt: clock.now() }, operator))).toBe(
      'client_metadata_invalid',
    );
    const redirectUris = ['https://page.example/'];
    const { client } = await clients.register({ kind: 'spa', name: 'Page', redirectUris }, operator);
    expect(await codeOf(clients.addSecret(client.id, {}, operator))).toBe('client_metadata_invalid');
    expect(await codeOf(clients.addSecret('nobody', {}, operator))).toBe('client_not_found');
  });

  it('lists secrets without their hashes, the newest first', async () => {
    const { id } = await machine();
    const added = await clients.addSecret(id, {}, operator);
    const list = await clients.listSecrets(id);
    expect(list.map((secret) => secret.id)[0]).toBe(added.secretId);
    expect(JSON.stringify(list)).not.toMatch(/hash|ghcs_/);
  });

  it('writes down who added and retired what', async () => {
    const { id } = await machine();
    await clients.addSecret(id, { retireOthersAt: inSeconds(60) }, operator);
    const events = await db('audit_events').select('type').where({ target_id: id }).orderBy('sequence');
    expect(events.map(({ type }) => type)).toEqual([
      'client.created',
      'client-secret.retired',
      'client-secret.created',
    ]);
  });

  it('spends about the same time on an unknown client as on a known one', async () => {
    const { id } = await machine();
    const time = async (of: string) => {
      const start = process.hrtime.bigint();
      await clients.secretMatches(of, 'ghcs_wrong');
      return Number(process.hrtime.bigint() - start);
    };
    // Turn by turn, so that whatever else the machine does falls on both.
    const times: { unknown: number[]; known: number[] } = { unknown: [], known: [] };
    for (let round = 0; round < 2000; round += 1) {
      times.unknown.push(await time('nobody'));
      times.known.push(await time(id));
    }
    const median = (list: number[]) => list.sort((a, b) => a - b)[list.length >> 1] ?? 0;
    const [unknown, known] = [median(times.unknown), median(times.known)];
    expect(Math.max(unknown, known) / Math.min(unknown, known)).toBeLessThan(2);
  });
});
