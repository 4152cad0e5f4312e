// Every way in which a session ends takes its refresh token and access token along, and tells the app: a row for each way.
import * as oauth from 'openid-client';
import { describe, expect, it } from 'vitest';
import type { Account } from '../../src/accounts/accounts.ts';
import { relyingParty } from '../flows/relying-party.ts';
import { type Browser, createBrowser } from '../support/browser.ts';
import { useGatehouse } from '../support/gatehouse.ts';
import { createPerson, operator, password, signInAt } from '../support/people.ts';

const gatehouse = useGatehouse();
const all = { limit: 100, cursor: null };
const next = 'seven quiet lanterns over the meadow';

interface World {
  person: Account;
  /** The browser whose session ends. */
  gone: Browser;
  /** Another one of the same person. */
  here: Browser;
  session: string;
}

const send =
  (path: string, action: string, fields: (world: World) => Record<string, string> = () => ({})) =>
  async (world: World): Promise<void> => {
    const page = await world.here.open(path);
    await world.here.submit(page, fields(world), action);
  };

const services = () => gatehouse.services;

const ways: [way: string, act: (world: World) => Promise<unknown>][] = [
  ['sign out in that browser', async ({ gone }) => gone.submit(await gone.open('/account'), {}, '/sign-out')],
  ['one session, from elsewhere', send('/account/sessions', '/end', ({ session }) => ({ session }))],
  ['all others', send('/account/sessions', '/others')],
  ['all others, offered on the security page', send('/account/security?done=factor-added', '/others')],
  ['all, this one too', send('/account/sessions/all', '/all')],
  ['“this wasn’t me”', send('/account/activity/not-me', '/not-me')],
  [
    'a new password that ends the others',
    send('/account/security/password', '/password', () => ({
      current_password: password,
      password: next,
      end_others: 'on',
    })),
  ],
  [
    'a deletion that was asked for',
    send('/account/data/delete', '/delete', ({ person }) => ({ name: person.email ?? '' })),
  ],
  ['an administrator ends the session', ({ session }) => services().sessions.end(session, operator)],
  [
    'an administrator ends all',
    ({ person }) => services().sessions.endAll({ accountId: person.id }, operator),
  ],
  [
    'a password that an operator sets',
    ({ person }) => services().credentials.setPassword(person.id, next, operator),
  ],
  ['a suspension', ({ person }) => services().accounts.suspend(person.id, null, operator)],
  ['a removal', ({ person }) => services().accounts.remove(person.id, operator)],
  [
    'a reset of all factors',
    ({ person }) => services().credentials.factors.resetAll(person.id, null, operator),
  ],
  [
    'a change of password that is required',
    ({ person }) => services().credentials.passwords.requireChange(person.id, 'admin', operator),
  ],
];

describe('a session that ends by', () => {
  it.each(ways)('%s', async (_way, act) => {
    const person = await createPerson(gatehouse.services);
    const app = await relyingParty(gatehouse, {
      firstParty: true,
      backchannelLogoutUri: 'https://app.example.com/ended',
      backchannelLogoutSessionRequired: true,
      grantTypes: ['authorization_code', 'refresh_token'],
    });
    const { browser: gone, tokens } = await app.signIn(person);
    await gone.open('/account');
    const { items } = await services().sessions.list({ accountId: person.id }, all);
    const here = createBrowser(gatehouse.issuer);
    await signInAt(`${gatehouse.issuer}/account`, person, here);
    expect(tokens.refresh_token).toBeDefined();
    await act({ person, gone, here, session: items[0]?.id ?? '' });

    expect((await gone.open('/account')).url).toContain('/interaction/');
    const info = await fetch(`${gatehouse.issuer}/userinfo`, {
      headers: { authorization: `Bearer ${tokens.access_token}` },
    });
    expect(info.status).toBe(401);
    await expect(oauth.refreshTokenGrant(app.config, tokens.refresh_token ?? '')).rejects.toMatchObject({
      error: 'invalid_grant',
    });
    const told = await services().sessions.listDeliveries({ clientId: app.client.id }, all);
    expect(told.items.map(({ sid }) => sid)).toEqual([tokens.claims()?.sid]);
  });
});
