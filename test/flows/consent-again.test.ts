// Consent that is asked a second time: the page shows, and the grant holds, the whole of what is asked.
import * as client from 'openid-client';
import { expect, it } from 'vitest';
import { type Browser, createBrowser } from '../support/browser.ts';
import { useGatehouse } from '../support/gatehouse.ts';
import { createApi, createClient, createPerson, password } from '../support/people.ts';

const gatehouse = useGatehouse();

// A native client, whose remembered consent does not count (RFC 8252 §8.6): a grant of only what is new lost what was
// granted before, and the two were asked for in turns without end.
it('asks once for a further permission, names the ones granted before, and keeps them', async () => {
  const { services, issuer } = gatehouse;
  const person = await createPerson(services);
  const api = await createApi(services);
  const { client: app } = await createClient(services, {
    kind: 'native',
    redirectUris: ['http://127.0.0.1/callback'],
    apis: [{ audience: api.audience, permissions: ['notes:read', 'notes:write'] }],
  });
  const config = await client.discovery(new URL(issuer), app.id, undefined, client.None(), {
    execute: [client.allowInsecureRequests],
  });
  const browser = createBrowser(issuer);

  const first = await ask('openid notes:read');
  expect(first.consents).toHaveLength(1);
  expect(first.scope).toBe('notes:read');
  const second = await ask('openid notes:read notes:write');
  expect(second.consents).toHaveLength(1);
  expect(second.consents[0]).toMatch(/Read your notes[\s\S]*Write your notes/);
  expect(second.scope).toBe('notes:read notes:write');
  const third = await ask('openid notes:read');
  expect(third.consents).toHaveLength(1);
  expect(third.consents[0]).toContain('Read your notes');

  async function ask(scope: string) {
    const verifier = client.randomPKCECodeVerifier();
    const url = client.buildAuthorizationUrl(config, {
      redirect_uri: 'http://127.0.0.1:4000/callback',
      scope,
      resource: api.audience,
      prompt: 'consent',
      code_challenge: await client.calculatePKCECodeChallenge(verifier),
      code_challenge_method: 'S256',
    });
    const { consents, answer } = await through(browser, url.href, person.email ?? '');
    const checks = { pkceCodeVerifier: verifier };
    const tokens = await client.authorizationCodeGrant(config, answer, checks, { resource: api.audience });
    return {
      consents,
      scope: tokens.scope
        ?.split(' ')
        .filter((one) => one !== 'openid')
        .sort()
        .join(' '),
    };
  }
});

/** Signs in where it is asked, allows what is asked, and keeps the consent pages it saw. */
async function through(browser: Browser, url: string, identifier: string) {
  const consents: string[] = [];
  let page = await browser.open(url);
  for (let step = 0; step < 6 && page.forms.length > 0; step += 1) {
    if (page.forms.some((form) => form.action.endsWith('/login'))) {
      page = await browser.submit(page, { identifier, password }, '/login');
    } else {
      consents.push(page.html);
      page = await browser.submit(page, {}, '/consent');
    }
  }
  return { consents, answer: new URL(page.url) };
}
