// Pairwise subjects (OpenID Connect Core §8.1): apps of different sectors cannot tell that it is the same person.
import { decodeJwt } from 'jose';
import * as oauth from 'openid-client';
import { describe, expect, it } from 'vitest';
import { openHandle } from '../../src/oidc/oidc.ts';
import { useGatehouse } from '../support/gatehouse.ts';
import { createApi, createPerson } from '../support/people.ts';
import { relyingParty } from './relying-party.ts';

const gatehouse = useGatehouse();

function pairwiseApp(host: string, more: Parameters<typeof relyingParty>[1] = {}) {
  return relyingParty(gatehouse, {
    subjectType: 'pairwise',
    redirectUris: [`https://${host}/callback`],
    ...more,
  });
}

describe('pairwise subjects', () => {
  it('differ from sector to sector, and from the account', async () => {
    const person = await createPerson(gatehouse.services);
    const [one, two] = [await pairwiseApp('one.example.com'), await pairwiseApp('two.example.com')];
    const subjects = [
      (await one.signIn(person)).tokens.claims()?.sub,
      (await two.signIn(person)).tokens.claims()?.sub,
      person.id,
    ];

    expect(new Set(subjects).size).toBe(3);
  });

  it('are the same within a sector', async () => {
    const person = await createPerson(gatehouse.services);
    const [one, two] = [await pairwiseApp('same.example.com'), await pairwiseApp('same.example.com')];

    expect((await one.signIn(person)).tokens.claims()?.sub).toBe(
      (await two.signIn(person)).tokens.claims()?.sub,
    );
  });

  it('differ between two people', async () => {
    const app = await pairwiseApp('people.example.com');
    const first = await app.signIn(await createPerson(gatehouse.services));
    const second = await app.signIn(await createPerson(gatehouse.services));

    expect(first.tokens.claims()?.sub).not.toBe(second.tokens.claims()?.sub);
  });

  it('are the same in userinfo', async () => {
    const app = await pairwiseApp('info.example.com');
    const { tokens } = await app.signIn(await createPerson(gatehouse.services));
    const sub = tokens.claims()?.sub ?? '';

    expect(await oauth.fetchUserInfo(app.config, tokens.access_token, sub)).toMatchObject({ sub });
  });

  it('are in JWT access tokens too, whose handle still resolves to the account', async () => {
    const person = await createPerson(gatehouse.services);
    const api = await createApi(gatehouse.services);
    const app = await pairwiseApp('token.example.com', {
      apis: [{ audience: api.audience, permissions: ['*'] }],
    });
    const { tokens } = await app.signIn(person, { resource: api.audience, scope: 'openid notes:read' });
    const payload = decodeJwt(tokens.access_token);
    const handle = openHandle(gatehouse.services.handleSeal, payload.jti ?? '', String(payload.handle));

    expect(payload.sub).toBe(tokens.claims()?.sub);
    expect(handle?.accountId).toBe(person.id);
  });

  it('work as a hint of who should sign in', async () => {
    const app = await pairwiseApp('hint.example.com');
    const { tokens, browser } = await app.signIn(await createPerson(gatehouse.services));
    const begun = await app.begin({ prompt: 'none', id_token_hint: tokens.id_token ?? '' });

    expect((await browser.open(begun.url)).url).toContain('code=');
  });
});
