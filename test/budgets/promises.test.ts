// C9, C10, C15 and D6: sub-keys with budgets in tokens and money, quotas of one token, and who used how much; over HTTP.
import { beforeAll, describe, expect, it } from 'vitest';
import { post } from '../flows/relying-party.ts';
import { createWorld, type World } from '../gateway/world.ts';
import { useGatehouse } from '../support/gatehouse.ts';
import { callsBy, type Machine, machine } from '../support/management.ts';

const gatehouse = useGatehouse();
const made: { world?: World; admin?: Machine } = {};
const world = () => {
  if (!made.world) throw new Error('made before the tests');
  return made.world;
};
const call = callsBy(gatehouse, () => {
  if (!made.admin) throw new Error('made before the tests');
  return made.admin;
});

beforeAll(async () => {
  made.world = await createWorld(gatehouse);
  made.admin = await machine(gatehouse);
});

const setBudget = (body: Record<string, unknown>) => call('PUT', '/budgets', { body });
const flush = () => gatehouse.services.usage.flush();

describe('C9: a key for a language model', () => {
  it('has budgets of tokens by day and of money by month, and is answered 402 with what is used', async () => {
    const parent = await world().key();
    const { id, secret } = await world().key({ parentId: parent.id, owner: undefined as never });
    const scope = { kind: 'api-key', id };
    expect((await setBudget({ scope, meter: 'tokens', window: 'day', limit: 10_000 })).status).toBe(201);
    await setBudget({ scope, meter: 'money', window: 'month', limit: 2_000_000, softLimit: 1_000_000 });
    await setBudget({
      scope: { kind: 'api-key', id: parent.id },
      meter: 'money',
      window: 'month',
      limit: 3_000_000,
    });
    const ask = (tokens: number, money: number) =>
      world().ask({ credential: secret, meters: { tokens, money }, permissions: ['notes:read'] });

    const first = await ask(4_000, 1_500_000);
    expect(first).toMatchObject({ active: true, reservationId: expect.stringMatching(/^rsv_/) });
    const settled = await call('POST', `/budgets/reservations/${first.reservationId}/settle`, {
      body: { amounts: { tokens: 3_200, money: '1400000' } },
    });
    expect(settled.body.budgets).toHaveLength(3);
    expect(
      (await call('POST', `/budgets/reservations/${first.reservationId}/settle`, { body: {} })).body.code,
    ).toBe('reservation_settled');
    expect(await ask(100, 700_000)).toMatchObject({
      active: false,
      code: 'budget_exceeded',
      status: 402,
      budgets: [{ meter: 'money', window: 'month', usage: 1_400_000, limit: 2_000_000 }],
    });
    const direct = await call('POST', '/budgets/reservations', {
      body: { scopes: [scope], amounts: { tokens: 6_801 } },
    });
    expect(direct.status).toBe(402);
    expect(direct.body).toMatchObject({
      code: 'budget_exceeded',
      meter: 'tokens',
      window: 'day',
      usage: 3_200,
      limit: 10_000,
      resetAt: expect.stringMatching(/T00:00:00\.000Z$/),
    });
  });

  it('is refused a budget above that of the key it was made from', async () => {
    const parent = await world().key();
    const { id } = await world().key({ parentId: parent.id, owner: undefined as never });
    await setBudget({ scope: { kind: 'api-key', id: parent.id }, meter: 'tokens', window: 'day', limit: 10 });
    const wide = await setBudget({
      scope: { kind: 'api-key', id },
      meter: 'tokens',
      window: 'day',
      limit: 11,
    });
    expect([wide.status, wide.body.code]).toEqual([409, 'budget_wider']);
  });

  it('is refused amounts that are none, each with a sentence', async () => {
    const { id } = await world().key();
    const scopes = [{ kind: 'api-key', id }];
    for (const tokens of [-1, 1.5, 1e300, '99999999999999999999', null, [1]]) {
      const reply = await call('POST', '/budgets/reservations', { body: { scopes, amounts: { tokens } } });
      expect([tokens, reply.status, reply.body.code]).toEqual([tokens, 400, 'amount_invalid']);
      expect(reply.body.title).toMatch(/whole number/);
    }
    const unknown = await call('POST', '/budgets/reservations', { body: { scopes, amounts: { miles: 1 } } });
    expect([unknown.status, unknown.body.code]).toEqual([422, 'meter_unknown']);
  });
});

describe('C10: a quota', () => {
  it('binds one token by its jti, and leaves other tokens of the same key alone', async () => {
    const { secret } = await world().key();
    const ask = async () => {
      const reply = await post(
        `${gatehouse.issuer}/token`,
        { grant_type: 'client_credentials', resource: world().audience, scope: 'notes:read' },
        { 'X-API-Key': secret },
      );
      const token = String(reply.body.access_token);
      const claims = JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString());
      return { token, jti: String(claims.jti) };
    };
    const [limited, other] = [await ask(), await ask()];
    await setBudget({
      scope: { kind: 'token', id: limited.jti },
      meter: 'requests',
      window: 'total',
      limit: 2,
    });
    const verify = async (credential: string) => (await world().ask({ credential })).code;
    expect([await verify(limited.token), await verify(limited.token), await verify(limited.token)]).toEqual([
      'ok',
      'ok',
      'budget_exceeded',
    ]);
    expect(await verify(other.token)).toBe('ok');
  });
});

describe('C15, D6: usage', () => {
  it('is counted for each key and what it used, and reported by page and as a table', async () => {
    const { id, secret } = await world().key();
    await setBudget({ scope: { kind: 'api-key', id }, meter: 'tokens', window: 'day', limit: 10_000 });
    for (let turn = 0; turn < 2; turn += 1) {
      const { reservationId } = await world().ask({ credential: secret, meters: { tokens: 50 } });
      await call('POST', `/budgets/reservations/${reservationId}/settle`, {
        body: { amounts: { tokens: 20 } },
      });
    }
    await flush();
    const filter = `subjectKind=api-key&subjectId=${id}`;
    const { body } = await call('GET', `/usage?${filter}`);
    expect(body.items).toMatchObject([
      { subjectId: id, kind: 'verify', meter: 'requests', amount: 2 },
      { subjectId: id, kind: 'verify', meter: 'tokens', amount: 40 },
    ]);
    const page = await call('GET', `/usage?${filter}&limit=1`);
    const next = await call('GET', `/usage?${filter}&limit=1&cursor=${page.body.nextCursor}`);
    expect([page.body.items[0].meter, next.body.items[0].meter]).toEqual(['requests', 'tokens']);

    const table = await call('GET', `/usage/csv?${filter}&groupBy=day`);
    expect(table.headers.get('content-type')).toBe('text/csv; charset=utf-8');
    const lines = String(table.body).trim().split('\r\n');
    expect(lines).toHaveLength(3);
    expect(lines[2]).toMatch(
      new RegExp(`^\\d{4}-\\d\\d-\\d\\dT00:00:00.000Z,api-key,${id},,verify,tokens,40$`),
    );
  });

  it('of tokens that a key made is counted for the key', async () => {
    const { id, secret } = await world().key();
    const form = { grant_type: 'client_credentials', resource: world().audience, scope: 'notes:read' };
    await post(`${gatehouse.issuer}/token`, form, { 'X-API-Key': secret });
    await flush();
    const { body } = await call('GET', `/usage?subjectId=${id}&kind=token`);
    expect(body.items).toMatchObject([{ subjectKind: 'api-key', meter: 'requests', amount: 1 }]);
  });
});
