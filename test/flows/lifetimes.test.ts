// Everything ends in time: codes, access tokens, idle and old refresh tokens, sessions. The clock of the server is moved.
import * as oauth from 'openid-client';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { useGatehouse } from '../support/gatehouse.ts';
import { createPerson, signInAt } from '../support/people.ts';
import { refusal, relyingParty } from './relying-party.ts';

const gatehouse = useGatehouse({
  settings: {
    REFRESH_IDLE_SECONDS: '600',
    REFRESH_ABSOLUTE_SECONDS: '1500',
    SESSION_IDLE_SECONDS: '600',
    SESSION_ABSOLUTE_SECONDS: '1500',
    CODE_SECONDS: '60',
  },
});
const offline = { scope: 'openid offline_access', prompt: 'consent' };

// The engine forgives fifteen seconds of clock skew for what it looks up.
const SKEW = 15;

function pass(seconds: number): void {
  vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + seconds * 1000 });
}

afterEach(() => {
  vi.useRealTimers();
});

async function userinfoStatus(tokens: { access_token: string }): Promise<number> {
  const headers = { authorization: `Bearer ${tokens.access_token}` };
  return (await fetch(`${gatehouse.issuer}/userinfo`, { headers })).status;
}

describe('refresh tokens', () => {
  it('C5 end when they are not used', async () => {
    const app = await relyingParty(gatehouse);
    const { tokens } = await app.signIn(await createPerson(gatehouse.services), offline);
    pass(601);

    expect(await refusal(oauth.refreshTokenGrant(app.config, tokens.refresh_token ?? ''))).toBe(
      'invalid_grant',
    );
  });

  it('live on while they are used', async () => {
    const app = await relyingParty(gatehouse);
    const { tokens } = await app.signIn(await createPerson(gatehouse.services), offline);
    pass(590);
    const second = await oauth.refreshTokenGrant(app.config, tokens.refresh_token ?? '');
    pass(590);

    const third = await oauth.refreshTokenGrant(app.config, second.refresh_token ?? '');
    expect(await userinfoStatus(third)).toBe(200);
  });

  it('end after a fixed time however much they are used', async () => {
    const app = await relyingParty(gatehouse);
    const { tokens } = await app.signIn(await createPerson(gatehouse.services), offline);
    let latest = tokens.refresh_token ?? '';
    for (const step of [500, 500, 450]) {
      pass(step);
      latest = (await oauth.refreshTokenGrant(app.config, latest)).refresh_token ?? '';
    }
    pass(60);

    expect(await refusal(oauth.refreshTokenGrant(app.config, latest))).toBe('invalid_grant');
  });

  it('live as long as the client says, also beyond what the server would give', async () => {
    const days = 3 * 86_400;
    const app = await relyingParty(gatehouse, { refreshIdleSeconds: days, refreshAbsoluteSeconds: days });
    const { tokens } = await app.signIn(await createPerson(gatehouse.services), offline);
    pass(2 * 86_400);

    const next = await oauth.refreshTokenGrant(app.config, tokens.refresh_token ?? '');
    expect(next.refresh_token).toBeTypeOf('string');
  });

  it('end as the client says when it says so', async () => {
    const app = await relyingParty(gatehouse, { refreshIdleSeconds: 60, refreshAbsoluteSeconds: 120 });
    const { tokens } = await app.signIn(await createPerson(gatehouse.services), offline);
    pass(61);

    expect(await refusal(oauth.refreshTokenGrant(app.config, tokens.refresh_token ?? ''))).toBe(
      'invalid_grant',
    );
  });
});

describe('access tokens', () => {
  it('end after ten minutes', async () => {
    const app = await relyingParty(gatehouse);
    const { tokens } = await app.signIn(await createPerson(gatehouse.services), offline);

    expect(tokens.expiresIn()).toBeLessThanOrEqual(600);
    pass(601 + SKEW);
    expect(await userinfoStatus(tokens)).toBe(401);
  });

  it('end as the client says when it says so', async () => {
    const app = await relyingParty(gatehouse, { accessTokenLifetimeSeconds: 30 });
    const { tokens } = await app.signIn(await createPerson(gatehouse.services), offline);

    expect(tokens.expires_in).toBe(30);
    pass(31 + SKEW);
    expect(await userinfoStatus(tokens)).toBe(401);
  });
});

describe('codes', () => {
  it('end after a minute', async () => {
    const app = await relyingParty(gatehouse);
    const begun = await app.begin();
    const { landed } = await signInAt(begun.url, await createPerson(gatehouse.services));
    pass(61);

    expect(await refusal(app.finish(landed.url, begun))).toBe('invalid_grant');
  });
});

describe('sessions', () => {
  it('ask for the password again when they were not used', async () => {
    const app = await relyingParty(gatehouse);
    const { browser } = await app.signIn(await createPerson(gatehouse.services));
    pass(601 + SKEW);
    const page = await browser.open((await app.begin()).url);

    expect(page.forms.some((form) => form.action.endsWith('/login'))).toBe(true);
  });

  it('ask for the password again after a fixed time however much they are used', async () => {
    const app = await relyingParty(gatehouse);
    const { browser } = await app.signIn(await createPerson(gatehouse.services));
    for (const step of [500, 500, 490]) {
      pass(step);
      expect((await browser.open((await app.begin()).url)).url).toContain('code=');
    }
    pass(20 + SKEW);
    const page = await browser.open((await app.begin()).url);

    expect(page.forms.some((form) => form.action.endsWith('/login'))).toBe(true);
  });

  it('end after that time also when they are used every few seconds, within the skew that is forgiven', async () => {
    const app = await relyingParty(gatehouse);
    const { browser } = await app.signIn(await createPerson(gatehouse.services));
    for (const step of [500, 500, 490, 4]) {
      pass(step);
      expect((await browser.open((await app.begin()).url)).url).toContain('code=');
    }
    for (let use = 0; use < 4; use += 1) {
      pass(9);
      await browser.open(`${gatehouse.issuer}/end-session`);
    }
    const page = await browser.open((await app.begin()).url);

    expect(page.forms.some((form) => form.action.endsWith('/login'))).toBe(true);
  });
});
