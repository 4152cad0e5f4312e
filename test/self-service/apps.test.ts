// Connected apps: what each may do in words, and that taking one away ends all that it has.
import { beforeAll, describe, expect, it } from 'vitest';
import { createBrowser } from '../support/browser.ts';
import { useGatehouse } from '../support/gatehouse.ts';
import { createApi, createClient, createPerson, password } from '../support/people.ts';

const server = useGatehouse();
const verifier = 'v'.repeat(64);
const REDIRECT = 'https://harbour.example/callback';

async function connect(email: string) {
  const { services, issuer } = server;
  const person = await createPerson(services, { email });
  const browser = createBrowser(issuer);
  const challenge = Buffer.from(
    await crypto.subtle.digest('SHA-256', new TextEncoder().encode(verifier)),
  ).toString('base64url');
  const asked = await browser.open(
    `/authorize?${new URLSearchParams({
      client_id: 'harbour',
      response_type: 'code',
      redirect_uri: REDIRECT,
      scope: 'openid email offline_access notes:read',
      resource: 'https://notes.example/api',
      prompt: 'consent',
      code_challenge: challenge,
      code_challenge_method: 'S256',
    })}`,
  );
  const consent = await browser.submit(asked, { identifier: email, password }, '/login');
  const back = await browser.submit(consent, {}, '/consent');
  const answer = await fetch(`${issuer}/token`, {
    method: 'POST',
    body: new URLSearchParams({
      grant_type: 'authorization_code',
      client_id: 'harbour',
      code: new URL(back.url).searchParams.get('code') ?? '',
      redirect_uri: REDIRECT,
      code_verifier: verifier,
    }),
  });
  return { person, browser, tokens: (await answer.json()) as Record<string, string> };
}

const refresh = (token: string) =>
  fetch(`${server.issuer}/token`, {
    method: 'POST',
    body: new URLSearchParams({ grant_type: 'refresh_token', client_id: 'harbour', refresh_token: token }),
  });

describe('connected apps', () => {
  beforeAll(async () => {
    await createApi(server.services, { audience: 'https://notes.example/api' });
    await createClient(server.services, {
      id: 'harbour',
      name: 'Harbour <Notes>',
      kind: 'native',
      redirectUris: [REDIRECT],
      scopes: ['openid', 'email', 'offline_access'],
      apis: [{ audience: 'https://notes.example/api', permissions: ['*'] }],
    });
  });

  it('says in words what an app may do, and since when', async () => {
    const { browser } = await connect('dora@example.com');
    const list = await browser.open('/account/apps');
    expect(list.html).toContain('Harbour &lt;Notes&gt;');
    expect(list.html).not.toContain('gatehouse-account');
    const app = await browser.open('/account/apps/harbour');
    expect(app.html).toContain('See your email address');
    expect(app.html).toMatch(/In API \d+/);
    expect(app.html).toMatch(/Since<\/dt><dd><bdi>\d{1,2} \w+ \d{4}/);
  });

  it('takes an app away with its grants, its tokens and the remembered consent, and says who did it', async () => {
    const { browser, person, tokens } = await connect('emil@example.com');
    const fresh = (await (await refresh(tokens.refresh_token ?? '')).json()) as Record<string, string>;
    expect(fresh.access_token).toBeDefined();
    const sure = await browser.open('/account/apps/harbour/remove');
    const done = await browser.submit(sure, {}, '/remove');
    expect(done.html).toContain('The app has no access any more.');
    expect((await refresh(fresh.refresh_token ?? '')).status).toBe(400);
    expect(await server.services.oidc.state.listApps(person.id, 'harbour')).toEqual([]);
    expect((await browser.open('/account/apps/harbour')).status).toBe(404);
    const { items } = await server.services.audit.list(
      { accountId: person.id, type: 'sessions.ended' },
      { limit: 10, cursor: null },
    );
    expect(items[0]).toMatchObject({ reason: 'ended_by_owner', actor: { kind: 'account', id: person.id } });
  });

  it('shows and takes away nothing of anybody else', async () => {
    const { person, tokens } = await connect('frida@example.com');
    const other = await connect('gustav@example.com');
    const sure = await other.browser.open('/account/apps/harbour/remove');
    await other.browser.submit(sure, {}, '/remove');
    expect(await server.services.oidc.state.listApps(person.id, 'harbour')).toHaveLength(1);
    expect((await refresh(tokens.refresh_token ?? '')).status).toBe(200);
  });

  it('has nothing to take away where nothing was given', async () => {
    await createPerson(server.services, { email: 'hugo@example.com' });
    const browser = createBrowser(server.issuer);
    const asked = await browser.open('/account/apps');
    const list = await browser.submit(asked, { identifier: 'hugo@example.com', password }, '/login');
    expect(list.html).toContain('No connected apps');
    expect((await browser.open('/account/apps/harbour')).status).toBe(404);
    expect((await browser.open('/account/apps/gatehouse-account')).status).toBe(404);
  });
});
