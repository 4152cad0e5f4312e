// A key in the wrong hands: what ends, what is told, what is rotated, and who may say so.
import { beforeAll, describe, expect, it } from 'vitest';
import { asOperator } from '../../src/api-keys/api-keys.ts';
import { program } from '../../src/cli.ts';
import { commands } from '../../src/compromise/commands.ts';
import { bind, runCommandLine } from '../../src/platform/command-line/run.ts';
import { useGatehouse } from '../support/gatehouse.ts';
import { callsBy, type Machine, machine } from '../support/management.ts';
import { createPerson, operator } from '../support/people.ts';
import { testTerminal } from '../support/terminal.ts';

const gatehouse = useGatehouse({ settings: { LIMIT_ADMIN_WRITE_PER_MINUTE: '100000' } });
const made: { all?: Machine } = {};
const call = callsBy(gatehouse, () => {
  if (!made.all) throw new Error('the machine is made before the tests');
  return made.all;
});
const as = asOperator(operator);

beforeAll(async () => {
  made.all = await machine(gatehouse);
});

async function keyOf(ownerId: string, more: Record<string, unknown> = {}) {
  const owner = { kind: 'account', id: ownerId } as const;
  const input = { name: 'A key', permissions: ['*:*'], ...(more.parentId ? {} : { owner }), ...more };
  const { key, secret } = await gatehouse.services.apiKeys.create(input, as);
  return { id: key.id, secret };
}
const using = (secret: string, program_ = 'thief/1') => ({
  token: null,
  headers: { 'X-API-Key': secret, 'User-Agent': program_ },
});
const works = async (secret: string) => (await call('GET', '/accounts', using(secret))).status === 200;
const tell = (id: string, body: object = {}) => call('POST', `/api-keys/${id}/compromised`, { body });
const eventsOn = async (id: string, type: string) =>
  (await gatehouse.services.audit.list({ targetId: id, type }, { limit: 50, cursor: null })).items;

async function run(...words: string[]) {
  const terminal = testTerminal('');
  const open = async () => ({ services: gatehouse.services, close: async () => {} });
  const code = await runCommandLine({ ...program, commands: bind(commands, open) }, words, terminal);
  return { code, out: terminal.out(), err: terminal.err() };
}

describe('a compromised key', () => {
  it('D9 ends with all below it and their tokens, and tells what it did, from where, and what to rotate next', async () => {
    const person = await createPerson(gatehouse.services, { admin: true });
    const [stolen, other] = [
      await keyOf(person.id, { name: 'Stolen' }),
      await keyOf(person.id, { name: 'Other' }),
    ];
    const below = await keyOf(person.id, { parentId: stolen.id, permissions: ['accounts:read'] });
    const token = await fetch(`${gatehouse.issuer}/api/auth/token`, {
      method: 'POST',
      headers: { 'X-API-Key': stolen.secret, 'User-Agent': 'thief/1' },
    }).then(async (answer) => (await answer.json()) as { token: string });
    const planted = await call('POST', '/api-keys', {
      ...using(stolen.secret),
      body: { name: 'Back door', permissions: ['accounts:read'] },
    });
    const client = await call('POST', '/clients', {
      ...using(stolen.secret),
      body: { name: 'Planted', kind: 'machine' },
    });
    expect([planted.status, client.status]).toEqual([201, 201]);
    expect(await works(below.secret)).toBe(true);

    const { status, body } = await tell(stolen.id, { reason: 'seen in a public repository' });
    expect(status).toBe(200);
    expect(body).toMatchObject({
      keyId: stolen.id,
      revoked: [stolen.id, below.id],
      endedBefore: [],
      rotated: [],
    });
    expect(body.activity).toMatchObject({ truncated: false, tokensIssued: 1 });
    expect(body.activity.firstAt <= body.activity.lastAt).toBe(true);
    expect(body.activity.addresses.map((one: { value: string }) => one.value)).toEqual([
      expect.stringMatching(/^(127\.0\.0\.1|::1)$/),
    ]);
    expect(body.activity.userAgents).toMatchObject([{ value: 'thief/1', count: 3 }]);
    // What it changed, the newest first; not what others did to it.
    const changes = body.activity.changes.map((one: { type: string }) => one.type);
    expect(changes).toContain('client.created');
    expect(changes.at(-1)).toBe('api-key.created');
    expect(changes).not.toContain('api-key.revoked');
    expect(body.activity.changes.map((one: { target: { id: string } }) => one.target.id)).toContain(
      planted.body.id,
    );
    expect(body.activity.perHour).toMatchObject([{ kind: 'token', requests: 1 }]);
    const why = new Map(body.next.map((one: { keyId: string; why: string[] }) => [one.keyId, one.why]));
    expect(why.get(planted.body.id)).toEqual(['made_by_it', 'same_owner']);
    expect(why.get(other.id)).toEqual(['same_owner', 'may_do_everything']);
    expect(why.has(stolen.id) || why.has(below.id)).toBe(false);
    expect(JSON.stringify(body)).not.toContain(stolen.secret.slice(31));

    expect([await works(stolen.secret), await works(below.secret)]).toEqual([false, false]);
    expect(await gatehouse.services.oidc.tokens.inspect(token.token)).toHaveProperty('refused');
    for (const id of [stolen.id, below.id]) {
      expect(await eventsOn(id, 'api-key.revoked')).toMatchObject([
        { reason: 'seen in a public repository' },
      ]);
    }
    expect(await works(other.secret)).toBe(true);
  });

  it('D9 ends once, however often it is said', async () => {
    const person = await createPerson(gatehouse.services, { admin: true });
    const stolen = await keyOf(person.id);
    const [first, second] = [await tell(stolen.id), await tell(stolen.id)];
    expect(first.body).toMatchObject({ revoked: [stolen.id], endedBefore: [] });
    expect(second.body).toMatchObject({ revoked: [], endedBefore: [stolen.id] });
    expect(
      Math.abs(Date.parse(second.body.compromisedAt) - Date.parse(first.body.compromisedAt)),
    ).toBeLessThan(1000);
    expect(await eventsOn(stolen.id, 'api-key.revoked')).toHaveLength(1);
    expect(await eventsOn(stolen.id, 'api-key.compromised')).toHaveLength(1);
  });

  it("D9 rotates the owner's keys and all admin keys at once, each in the ledger, and none of them twice", async () => {
    const [person, another] = [
      await createPerson(gatehouse.services, { admin: true }),
      await createPerson(gatehouse.services, { admin: true }),
    ];
    const stolen = await keyOf(person.id);
    const own = await keyOf(person.id, { permissions: ['accounts:read'] });
    const admin = await keyOf(another.id);
    const plain = await keyOf(another.id, { permissions: ['accounts:read'] });

    const { out } = await run('key', 'compromised', stolen.id, '--rotate', '--yes', '--json');
    const report = JSON.parse(out);
    const renewed = new Map<string, string>(
      report.rotated.map((one: { keyId: string; secret: string }) => [one.keyId, one.secret]),
    );
    expect([...renewed.keys()]).toEqual(expect.arrayContaining([own.id, admin.id]));
    expect(renewed.has(plain.id)).toBe(false);
    for (const { id, secret } of [own, admin]) {
      expect([await works(secret), await works(renewed.get(id) ?? '')]).toEqual([false, true]);
      expect(await eventsOn(id, 'api-key.rotated')).toHaveLength(1);
    }
    expect(await works(plain.secret)).toBe(true);

    const again = JSON.parse(
      (await run('key', 'compromised', '--id', stolen.id, '--rotate', '--yes', '--json')).out,
    );
    expect(again.rotated.filter((one: { secret: string | null }) => one.secret !== null)).toEqual([]);
    expect(await works(renewed.get(admin.id) ?? '')).toBe(true);
  });

  it('is for those who may revoke; rotating and the ledger take their own permissions', async () => {
    const person = await createPerson(gatehouse.services, { admin: true });
    const stolen = await keyOf(person.id);
    const weak = (names: string[]) => machine(gatehouse, names);
    const by = async (names: string[], body: object = {}) =>
      call('POST', `/api-keys/${stolen.id}/compromised`, { token: (await weak(names)).token, body });
    expect(await by(['api-keys:read'])).toMatchObject({ status: 403 });
    expect(await by(['api-keys:delete', 'accounts:admin'], { rotate: true })).toMatchObject({
      status: 403,
      body: { code: 'permission_denied', permission: 'api-keys:rotate' },
    });
    expect(await works(stolen.secret)).toBe(true);
    expect(await by(['api-keys:delete', 'accounts:admin'])).toMatchObject({
      status: 200,
      body: { activity: null },
    });
    expect(await tell(`key_${'0'.repeat(26)}`)).toMatchObject({
      status: 404,
      body: { code: 'api_key_not_found' },
    });
  });
});

describe('gatehouse key logs', () => {
  it('D7 shows what was done with a key and to it, the newest first', async () => {
    const person = await createPerson(gatehouse.services, { admin: true });
    const key = await keyOf(person.id);
    const { body } = await call('POST', '/api-keys', {
      ...using(key.secret, 'deploys/2'),
      body: { name: 'Made', permissions: ['accounts:read'] },
    });
    await gatehouse.services.apiKeys.rotate(key.id, {}, as);
    const { out } = await run('key', 'logs', '--id', key.id, '--json');
    expect(JSON.parse(out).items).toMatchObject([
      { type: 'api-key.rotated' },
      {
        type: 'api-key.created',
        target: { id: body.id },
        userAgent: 'deploys/2',
        details: { apiKeyId: key.id },
      },
      { type: 'api-key.created', target: { id: key.id } },
    ]);
    expect((await run('key', 'logs', key.id)).out).toContain('deploys/2');
    expect((await run('key', 'logs')).code).toBe(2);
  });
});
