// The question to a service of the operator before anybody is written to: signed, short, and open or closed when it is away.
import { createHmac } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { systemClock } from '../../src/platform/clock.ts';
import { silentLog } from '../../src/platform/telemetry/log.ts';
import { createHook } from '../../src/registration/hook.ts';

const hookSecret = 'whsec_c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0';
const asked = { normalized: 'ada@example.com', challenge: 'solved' };

function hookThat(answer: () => Promise<Response>, hookFails: 'open' | 'closed' = 'open') {
  const calls: { url: string; init: RequestInit }[] = [];
  const request = (async (url: string, init: RequestInit) => {
    calls.push({ url, init });
    return answer();
  }) as typeof fetch;
  const settings = { hookUrl: 'https://robots.example/ask', hookSecret, hookFails };
  return { calls, ask: createHook({ clock: systemClock, log: silentLog, settings, request }) };
}

describe('the registration hook', () => {
  it('is asked with a signature over id, time and body, and without the address itself', async () => {
    const { calls, ask } = hookThat(async () => Response.json({ allow: true }));
    expect(await ask(asked)).toBe(true);
    const init: RequestInit = calls[0]?.init ?? {};
    const body = String(init.body);
    const headers = new Headers(init.headers);
    const signed = `${headers.get('webhook-id')}.${headers.get('webhook-timestamp')}.${body}`;
    const key = Buffer.from(hookSecret.slice('whsec_'.length), 'base64');
    expect(headers.get('webhook-signature')).toBe(
      `v1,${createHmac('sha256', key).update(signed).digest('base64')}`,
    );
    expect(body).not.toContain('ada@');
    expect(JSON.parse(body)).toMatchObject({
      type: 'registration.requested',
      data: {
        emailDomain: 'example.com',
        challenge: 'solved',
        emailSha256: expect.stringMatching(/^[0-9a-f]{64}$/),
      },
    });
    expect(init.redirect).toBe('error');
  });

  it('says no', async () => {
    expect(await hookThat(async () => Response.json({ allow: false })).ask(asked)).toBe(false);
  });

  for (const [what, answer] of [
    ['is away', () => Promise.reject(new Error('away'))],
    ['fails', async () => new Response('{"allow":false}', { status: 500 })],
    ['says something else', async () => Response.json({ allow: 'no' })],
    ['talks without end', async () => new Response('x'.repeat(100_000))],
  ] as const) {
    it(`counts as the setting says when it ${what}`, async () => {
      expect(await hookThat(answer, 'open').ask(asked)).toBe(true);
      expect(await hookThat(answer, 'closed').ask(asked)).toBe(false);
    });
  }
});
