// The application as mounted: every address of the protocol that shows or leads to a page is counted and named.
import { describe, expect, it } from 'vitest';
import { useGatehouse } from './support/gatehouse.ts';

const gatehouse = useGatehouse();

describe('addresses of the protocol that a browser opens', () => {
  it.each([
    ['GET', '/authorize', '/authorize'],
    ['GET', '/authorize/some-request', '/authorize/:uid'],
    ['GET', '/device/some-request', '/device/:uid'],
    ['GET', '/end-session', '/end-session'],
    ['POST', '/end-session/confirm', '/end-session/confirm'],
    ['GET', '/end-session/success', '/end-session/success'],
  ])('%s %s is counted as a page, and is %s in the metrics', async (method, path, route) => {
    const response = await fetch(gatehouse.issuer + path, { method, redirect: 'manual' });

    expect(response.headers.get('ratelimit-policy')).toMatch(/^"page";/);
    expect(await gatehouse.services.metrics.text()).toContain(`route="${route}",method="${method}"`);
  });

  it.each(['/jwks', '/.well-known/openid-configuration', '/.well-known/oauth-authorization-server'])(
    '%s is named in the metrics, and counted against no limit',
    async (path) => {
      const response = await fetch(gatehouse.issuer + path);
      expect([response.status, response.headers.has('ratelimit-policy')]).toEqual([200, false]);
      expect(await gatehouse.services.metrics.text()).toContain(`route="${path}",method="GET"`);
    },
  );

  it('are no others', async () => {
    expect((await fetch(`${gatehouse.issuer}/jwks`)).headers.has('ratelimit-policy')).toBe(false);
    expect((await fetch(`${gatehouse.issuer}/authorize/a/b`)).headers.has('ratelimit-policy')).toBe(false);
  });
});
