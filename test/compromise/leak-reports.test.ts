// Leak reports in the shape of GitHub's secret scanning partner protocol: who may report, what is answered, what happens.
import { generateKeyPairSync, hash, type KeyObject, sign } from 'node:crypto';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { asOperator } from '../../src/api-keys/api-keys.ts';
import { newApiKey } from '../../src/lib/api-key-format.ts';
import { newId } from '../../src/lib/ids.ts';
import type { Log } from '../../src/platform/telemetry/log.ts';
import { useGatehouse } from '../support/gatehouse.ts';
import { createPerson, operator } from '../support/people.ts';

/** The example of GitHub's documentation: key, body and signature were made by them. */
const theirs = {
  id: 'f9525bf080f75b3506ca1ead061add62b8633a346606dc5fe544e29231c6ee0d',
  key: 'MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEsz9ugWDj5jK5ELBK42ynytbo38gPHzZFI03Exwz8Lh/tCfL3YxwMdLjB+bMznsanlhK0RwcGP3IDb34kQDIo3Q==',
  body: '[{"token":"some_token","type":"some_type","url":"some_url","source":"some_source"}]',
  signature:
    'MEUCIFLZzeK++IhS+y276SRk2Pe5LfDrfvTXu6iwKKcFGCrvAiEAhHN2kDOhy2I6eGkOFmxNkOJ+L2y8oQ9A2T9GGJo6WJY=',
};

const published = {
  public_keys: [] as { key_identifier: string; key: string; is_current: boolean }[],
  asked: 0,
  up: true,
};
const publisher = createServer((_request, response) => {
  published.asked += 1;
  if (!published.up) return void response.writeHead(500).end();
  const { public_keys } = published;
  response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify({ public_keys }));
});
await new Promise<void>((resolve) => publisher.listen(0, '127.0.0.1', resolve));
afterAll(() => {
  publisher.close();
  publisher.closeAllConnections();
});

function signer(id: string, namedCurve = 'P-256') {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve });
  return { id, privateKey, key: String(publicKey.export({ type: 'spki', format: 'pem' })) };
}
const github = signer('github-key');
published.public_keys.push({ key_identifier: github.id, key: github.key, is_current: true });

const said: string[] = [];
const note = (...parts: unknown[]) =>
  void said.push(
    JSON.stringify(parts, (_key, value) =>
      value instanceof Error ? `${value.stack} ${JSON.stringify(value)} ${String(value.cause)}` : value,
    ),
  );
const log = { debug: note, info: note, warn: note, error: note } as unknown as Log;

const settings = {
  LEAK_REPORT_KEYS_URL: `http://127.0.0.1:${(publisher.address() as AddressInfo).port}/keys`,
  LEAK_REPORT_KEYS: `${theirs.id}=${theirs.key}`,
  LIMIT_LEAK_REPORT_PER_MINUTE: '100000',
};
const gatehouse = useGatehouse({ settings, log });
const made: { ownerId?: string } = {};
const as = asOperator(operator);

beforeAll(async () => {
  made.ownerId = (await createPerson(gatehouse.services, { admin: true })).id;
});

async function keyOf(more: Record<string, unknown> = {}) {
  const owner = { kind: 'account', id: made.ownerId ?? '' } as const;
  const input = { name: 'A key', permissions: ['*:*'], ...(more.parentId ? {} : { owner }), ...more };
  const { key, secret } = await gatehouse.services.apiKeys.create(input, as);
  return { id: key.id, secret };
}
const isGood = async (secret: string) =>
  'key' in (await gatehouse.services.apiKeys.authenticate(secret, { address: null }));
const eventsOn = async (id: string, type = 'api-key.leak-reported') =>
  (await gatehouse.services.audit.list({ targetId: id, type }, { limit: 50, cursor: null })).items;

async function send(body: string, headers: Record<string, string>, issuer = gatehouse.issuer) {
  const answer = await fetch(`${issuer}/api/v1/leak-reports`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body,
  });
  // biome-ignore lint/suspicious/noExplicitAny: answers of every shape are looked into
  return { status: answer.status, body: (await answer.json()) as any };
}
const signed = (body: string, { id, privateKey }: { id: string; privateKey: KeyObject } = github) => ({
  'Github-Public-Key-Identifier': id,
  'Github-Public-Key-Signature': sign('sha256', Buffer.from(body), privateKey).toString('base64'),
});
const report = async (list: unknown) => {
  const body = JSON.stringify(list);
  return send(body, signed(body));
};
const found = (token: string, url = 'https://github.com/octocat/Hello-World/blob/1/foo.txt') => ({
  token,
  type: 'gatehouse_api_key',
  url,
  source: 'content',
});
const label = (token: string, isKey: boolean) => ({
  token_hash: hash('sha256', token, 'hex'),
  token_type: 'gatehouse_api_key',
  label: isKey ? 'true_positive' : 'false_positive',
});

describe('AK8: a leak report', () => {
  it('AK8 is believed when it is signed as GitHub signs: their own example', async () => {
    const headers = {
      'Github-Public-Key-Identifier': theirs.id,
      'Github-Public-Key-Signature': theirs.signature,
    };
    expect(await send(theirs.body, headers)).toEqual({
      status: 200,
      body: [
        {
          token_hash: hash('sha256', 'some_token', 'hex'),
          token_type: 'some_type',
          label: 'false_positive',
        },
      ],
    });
  });

  it('AK8 ends the keys that it names with all below them, answers for each string, and leaves an event', async () => {
    const stolen = await keyOf();
    const below = await keyOf({ parentId: stolen.id, permissions: ['accounts:read'] });
    const other = await keyOf();
    const madeUp = newApiKey(newId('key'));
    const wrong = `${stolen.secret.slice(0, -1)}${stolen.secret.endsWith('0') ? '1' : '0'}`;
    const strings = [stolen.secret, madeUp, wrong, 'AKIAIOSFODNN7EXAMPLE', ''];
    const { status, body } = await report(strings.map((token) => found(token)));
    expect(status).toBe(200);
    expect(body).toEqual(strings.map((token, at) => label(token, at === 0)));
    expect([await isGood(stolen.secret), await isGood(below.secret), await isGood(other.secret)]).toEqual([
      false,
      false,
      true,
    ]);
    expect(await eventsOn(stolen.id)).toMatchObject([
      {
        actor: { kind: 'system' },
        reason: 'leaked',
        details: { source: 'content', reporterKeyId: 'github-key', revoked: 2 },
      },
    ]);
    expect(await eventsOn(below.id, 'api-key.revoked')).toMatchObject([{ reason: 'leaked' }]);
  });

  it('AK8 does no more when it is sent again; another place is another event', async () => {
    const stolen = await keyOf();
    const [first, again] = [await report([found(stolen.secret)]), await report([found(stolen.secret)])];
    expect([again.status, again.body]).toEqual([first.status, first.body]);
    expect(await eventsOn(stolen.id)).toHaveLength(1);
    await report([found(stolen.secret, 'https://gist.github.com/1')]);
    expect(await eventsOn(stolen.id)).toHaveLength(2);
    expect(await eventsOn(stolen.id, 'api-key.revoked')).toHaveLength(1);
  });

  it('AK8 knows keys that work no more, and from wherever they may be used', async () => {
    const ended = await keyOf();
    await gatehouse.services.apiKeys.revoke(ended.id, null, as);
    const bound = await keyOf({ allowedAddresses: ['192.0.2.1'] });
    const { body } = await report([found(ended.secret), found(bound.secret)]);
    expect(body).toEqual([label(ended.secret, true), label(bound.secret, true)]);
  });

  it('AK8 is refused with one answer when it is not signed by a key that is known', async () => {
    const stolen = await keyOf();
    const body = JSON.stringify([found(stolen.secret)]);
    const good = signed(body);
    const stranger = signer('github-key');
    const otherCurve = signer('p384', 'P-384');
    published.public_keys.push({ key_identifier: otherCurve.id, key: otherCurve.key, is_current: true });
    const refused = [
      {},
      { ...good, 'Github-Public-Key-Signature': '' },
      { ...good, 'Github-Public-Key-Signature': 'bm90IGEgc2lnbmF0dXJl' },
      { ...good, 'Github-Public-Key-Identifier': 'unknown-key' },
      { ...good, 'Github-Public-Key-Identifier': theirs.id },
      signed(`${body} `),
      signed(body, stranger),
      signed(body, otherCurve),
    ];
    for (const headers of refused) {
      expect(await send(body, headers)).toMatchObject({
        status: 401,
        body: { code: 'leak_report_not_signed' },
      });
    }
    expect(await isGood(stolen.secret)).toBe(true);
    expect((await send(body, good)).status).toBe(200);
  });

  it('AK8 says what is wrong with a body, and quotes none of it', async () => {
    const stolen = await keyOf();
    for (const body of [
      `{"token":"${stolen.secret}"}`,
      `[{"token":"${stolen.secret}"}]`,
      `[{"token":1,"type":"${stolen.secret}"}]`,
      `["${stolen.secret}"]`,
      `[${stolen.secret}]`,
      '',
    ]) {
      const answer = await send(body, signed(body));
      expect(answer.status).toBe(400);
      expect(JSON.stringify(answer.body)).not.toContain(stolen.secret.slice(31));
    }
    expect(await isGood(stolen.secret)).toBe(true);
    expect((await report([])).body).toEqual([]);
    expect((await fetch(`${gatehouse.issuer}/api/v1/leak-reports`)).status).toBe(405);
  });

  it('AK8 lets made-up key ids ask for the public keys once a minute, not each time', async () => {
    await report([]);
    const before = published.asked;
    for (let turn = 0; turn < 20; turn += 1) {
      await send('[]', { ...signed('[]'), 'Github-Public-Key-Identifier': `made-up-${turn}` });
    }
    expect(published.asked - before).toBeLessThanOrEqual(1);
    published.up = false;
    expect((await report([])).status).toBe(200);
    published.up = true;
  });

  it('AK8 leaves no string in a log, in the ledger or in an answer, not even one that stood in the address', async () => {
    const stolen = await keyOf();
    const url = `https://example.com/?key=${stolen.secret}`;
    const list = [
      { ...found(stolen.secret, url), source: stolen.secret, type: stolen.secret, [stolen.secret]: 1 },
    ];
    const { body } = await report(list);
    expect(
      JSON.stringify(body.map(({ token_type: _, ...rest }: { token_type: string }) => rest)),
    ).not.toContain(stolen.secret.slice(31));
    const { rows } = await gatehouse.database.postgres.db.raw(
      `select count(*) from audit_events where audit_events::text like ?`,
      [`%${stolen.secret.slice(31)}%`],
    );
    expect(Number(rows[0].count)).toBe(0);
    expect(said.join('\n')).not.toContain(stolen.secret.slice(31));
    expect(await eventsOn(stolen.id)).toMatchObject([{ details: { url: 'https://example.com/?key=[key]' } }]);
  });
});

describe('leak reports while nobody publishes keys', () => {
  const cut = useGatehouse({ settings });

  it('AK8 wait some seconds before the public keys are asked for again', async () => {
    published.up = false;
    const before = published.asked;
    for (let turn = 0; turn < 10; turn += 1) {
      expect(await send('[]', signed('[]'), cut.issuer)).toMatchObject({
        status: 503,
        body: { code: 'leak_report_keys_unavailable' },
      });
    }
    expect(published.asked - before).toBe(1);
    published.up = true;
  });

  it('AK8 are believed again once somebody does', async () => {
    const outcome = async () => (await send('[]', signed('[]'), cut.issuer)).status;
    await expect.poll(outcome, { timeout: 10_000, interval: 500 }).toBe(200);
  });
});

describe('leak reports that only go on record', () => {
  const quiet = useGatehouse({
    settings: { ...settings, LEAK_REPORT_ACTION: 'record', LIMIT_LEAK_REPORT_PER_MINUTE: '4' },
  });

  it('AK8 end nothing, and are limited by address', async () => {
    const owner = { kind: 'account', id: (await createPerson(quiet.services, { admin: true })).id } as const;
    const { key, secret } = await quiet.services.apiKeys.create({ name: 'k', permissions: [], owner }, as);
    const body = JSON.stringify([found(secret)]);
    expect(await send(body, signed(body), quiet.issuer)).toMatchObject({
      status: 200,
      body: [label(secret, true)],
    });
    expect('key' in (await quiet.services.apiKeys.authenticate(secret, { address: null }))).toBe(true);
    const { items } = await quiet.services.audit.list(
      { targetId: key.id, type: 'api-key.leak-reported' },
      { limit: 5, cursor: null },
    );
    expect(items).toMatchObject([{ details: { revoked: 0 } }]);
    const statuses = [];
    for (let turn = 0; turn < 6; turn += 1)
      statuses.push((await send(body, signed(body), quiet.issuer)).status);
    expect(statuses).toContain(429);
  });
});

describe('leak reports where nobody is trusted', () => {
  const off = useGatehouse();

  it('AK8 have no address', async () => {
    expect(await send('[]', signed('[]'), off.issuer)).toMatchObject({ status: 404 });
  });
});
