// Sign in at a terminal, against a small authorization server that says what RFC 8628 lets it say.
import { readFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createIssuer } from '../../src/terminal/issuer.ts';
import { createTerminal } from '../../src/terminal/terminal.ts';
import { createTokenFile } from '../../src/terminal/token-file.ts';
import { useFolders } from '../support/folder.ts';

const newFolder = useFolders();

type Answer = [status: number, body: object];
type Form = Record<string, string>;

const PENDING: Answer = [400, { error: 'authorization_pending' }];

let server: Server;
let url: string;
let polls: Answer[];
let requests: { path: string; form: Form }[];
let refreshAnswer: Answer | undefined;
let deadTokens: Set<string>;
let now: number;
let waits: number[];

beforeEach(async () => {
  polls = [];
  requests = [];
  refreshAnswer = undefined;
  deadTokens = new Set();
  now = 1_000_000_000_000;
  waits = [];
  server = createServer(async (request, response) => {
    const form = await formOf(request);
    const path = request.url ?? '';
    requests.push({ path, form });
    const [status, body] = answer(path, form, request.headers.authorization ?? '');
    if (status === 401) response.setHeader('www-authenticate', 'Bearer error="invalid_token"');
    response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
  });
  await new Promise<void>((ready) => server.listen(0, '127.0.0.1', ready));
  const address = server.address();
  url = typeof address === 'object' && address !== null ? `http://127.0.0.1:${address.port}` : '';
});

afterEach(() => {
  server.close();
  server.closeAllConnections();
});

function answer(path: string, form: Form, authorization: string): Answer {
  if (path.startsWith('/.well-known/')) return [200, metadata()];
  if (path === '/device') {
    return [
      200,
      {
        device_code: 'the-device-code',
        user_code: 'BCDF-GHJK',
        verification_uri: `${url}/device`,
        expires_in: 60,
        interval: 5,
      },
    ];
  }
  if (path === '/token' && form.grant_type === 'refresh_token')
    return refreshAnswer ?? tokens(requests.length);
  if (path === '/token') return polls.shift() ?? tokens(requests.length);
  if (path === '/revoke') return [200, {}];
  if (path === '/me') {
    return deadTokens.has(authorization.slice('Bearer '.length))
      ? [401, {}]
      : [200, { sub: 'acc_1', name: 'Ada', email: 'ada@example.com' }];
  }
  return [404, {}];
}

const metadata = () => ({
  issuer: url,
  token_endpoint: `${url}/token`,
  device_authorization_endpoint: `${url}/device`,
  userinfo_endpoint: `${url}/me`,
  revocation_endpoint: `${url}/revoke`,
});

const tokens = (n: number): Answer => [
  200,
  { access_token: `access-${n}`, refresh_token: `refresh-${n}`, token_type: 'Bearer', expires_in: 600 },
];

async function formOf(request: IncomingMessage): Promise<Form> {
  let text = '';
  for await (const chunk of request) text += String(chunk);
  return Object.fromEntries(new URLSearchParams(text));
}

function terminal() {
  const tokenFile = createTokenFile(newFolder());
  const made = createTerminal({
    issuerUrl: url,
    issuer: createIssuer(url),
    tokenFile,
    clock: { now: () => new Date(now) },
    wait: async (seconds) => {
      waits.push(seconds);
      now += seconds * 1000;
    },
  });
  return { ...made, tokenFile };
}

const to = (path: string) => requests.filter((request) => request.path === path).map(({ form }) => form);
const show = () => {};

describe('signing in', () => {
  it('asks for the scopes and the management API, shows the code, and keeps the tokens', async () => {
    polls = [PENDING];
    const shown: string[] = [];
    const { signIn, tokenFile } = terminal();
    const person = await signIn(['clients:read'], (code) => shown.push(code.userCode, code.verificationUri));
    expect(person.subject).toBe('acc_1');
    expect(shown).toEqual(['BCDF-GHJK', `${url}/device`]);
    expect(to('/device')).toEqual([
      {
        client_id: 'gatehouse-cli',
        scope: 'openid profile email offline_access clients:read',
        resource: `${url}/api`,
        prompt: 'consent',
      },
    ]);
    expect(to('/token')[0]).toMatchObject({ device_code: 'the-device-code', client_id: 'gatehouse-cli' });
    expect(await tokenFile.read(url)).toMatchObject({ refreshToken: expect.stringMatching(/^refresh-/) });
  });

  it('asks for a sign-in that is not older than it is told', async () => {
    await terminal().signIn([], show, 600);
    expect(to('/device')[0]).toMatchObject({ max_age: '600' });
  });

  it('waits five seconds longer each time the server says slow_down', async () => {
    polls = [PENDING, [400, { error: 'slow_down' }], PENDING, [400, { error: 'slow_down' }]];
    await terminal().signIn([], show);
    expect(waits).toEqual([5, 5, 10, 10, 15]);
  });

  it.each([
    ['access_denied', 'sign_in_refused'],
    ['expired_token', 'device_code_expired'],
    ['invalid_grant', 'sign_in_refused'],
  ])('ends at %s with %s and keeps nothing', async (error, code) => {
    polls = [[400, { error }]];
    const { signIn, tokenFile } = terminal();
    await expect(signIn([], show)).rejects.toMatchObject({ code });
    expect(await tokenFile.read(url)).toBeUndefined();
  });

  it('ends when the code has expired, also when the server never says so', async () => {
    polls = Array.from({ length: 100 }, () => PENDING);
    await expect(terminal().signIn([], show)).rejects.toMatchObject({ code: 'device_code_expired' });
    expect(waits).toHaveLength(12);
  });

  it('asks a server that is away for a moment again, more slowly', async () => {
    polls = [[500, { not: 'oauth' }]];
    await terminal().signIn([], show);
    expect(waits).toEqual([5, 10]);
  });

  it('revokes the tokens of the sign-in before', async () => {
    const { signIn, tokenFile } = terminal();
    await signIn([], show);
    const before = (await tokenFile.read(url))?.refreshToken;
    await signIn([], show);
    expect(to('/revoke').map(({ token }) => token)).toEqual([before]);
  });
});

describe('being signed in', () => {
  it('refreshes for the management API once and then uses what it has', async () => {
    const { signIn, accessToken } = terminal();
    await signIn([], show);
    const { token } = await accessToken();
    expect((await accessToken()).token).toBe(token);
    expect(to('/token').filter((form) => form.grant_type === 'refresh_token')).toMatchObject([
      { resource: `${url}/api` },
    ]);
    now += 595_000;
    expect((await accessToken()).token).not.toBe(token);
  });

  it('keeps the rotated refresh token, and refreshes once for commands that run at the same time', async () => {
    const { signIn, accessToken, tokenFile } = terminal();
    await signIn([], show);
    const before = (await tokenFile.read(url))?.refreshToken;
    const both = await Promise.all([accessToken(), accessToken()]);
    expect(both[0]?.token).toBe(both[1]?.token);
    expect((await tokenFile.read(url))?.refreshToken).not.toBe(before);
  });

  it('says who is signed in, also after the access token was revoked', async () => {
    const { signIn, whoAmI, tokenFile } = terminal();
    await signIn([], show);
    deadTokens.add((await tokenFile.read(url))?.person?.token ?? '');
    expect((await whoAmI()).claims).toMatchObject({ name: 'Ada' });
  });

  it('forgets tokens that the server no longer accepts', async () => {
    const { signIn, accessToken, tokenFile } = terminal();
    await signIn([], show);
    refreshAnswer = [400, { error: 'invalid_grant' }];
    await expect(accessToken()).rejects.toMatchObject({ code: 'not_signed_in' });
    expect(await tokenFile.read(url)).toBeUndefined();
  });

  it('keeps tokens when the server does not answer', async () => {
    const { signIn, accessToken, tokenFile } = terminal();
    await signIn([], show);
    refreshAnswer = [500, {}];
    await expect(accessToken()).rejects.toMatchObject({ code: 'issuer_unreachable' });
    expect(await tokenFile.read(url)).toBeDefined();
  });

  it('is refused when nobody is signed in', async () => {
    await expect(terminal().whoAmI()).rejects.toMatchObject({ code: 'not_signed_in' });
  });
});

describe('signing out', () => {
  it('revokes the refresh token and leaves no token behind', async () => {
    const { signIn, signOut, tokenFile } = terminal();
    await signIn([], show);
    const before = (await tokenFile.read(url))?.refreshToken;
    expect(await signOut()).toEqual({ wasSignedIn: true, serverTold: true });
    expect(to('/revoke').map(({ token }) => token)).toEqual([before]);
    expect(readFileSync(tokenFile.path, 'utf8')).toBe('{}\n');
  });

  it('deletes the tokens also when the server is away', async () => {
    const { signIn, signOut, tokenFile } = terminal();
    await signIn([], show);
    server.close();
    server.closeAllConnections();
    expect(await signOut()).toEqual({ wasSignedIn: true, serverTold: false });
    expect(await tokenFile.read(url)).toBeUndefined();
  });

  it('says when nobody was signed in', async () => {
    expect(await terminal().signOut()).toEqual({ wasSignedIn: false, serverTold: false });
  });
});
