// The ends that nothing may move: asked of the table of lifetimes itself, at the very second.
import type { Client as EngineClient } from 'oidc-provider';
import { describe, expect, it } from 'vitest';
import type { Client } from '../../src/clients/clients.ts';
import { lifetimes } from '../../src/oidc/tokens/lifetimes.ts';
import { testConfig } from '../support/gatehouse.ts';

const config = testConfig({
  REFRESH_IDLE_SECONDS: '600',
  REFRESH_ABSOLUTE_SECONDS: '1500',
  SESSION_IDLE_SECONDS: '86400',
  INTERACTION_SECONDS: '3600',
});
// Only what a lifetime looks at.
const client = { refreshIdleSeconds: null, refreshAbsoluteSeconds: null } as Client;
const table = lifetimes(config, () => client) as Record<string, (...given: unknown[]) => number>;
const engineClient = {} as EngineClient;

describe('a refresh token', () => {
  const aged = (age: number) => table.RefreshToken?.({}, { totalLifetime: () => age }, engineClient);

  it('lives to the absolute end and not beyond it', () => {
    expect(aged(0)).toBe(600);
    expect(aged(1499)).toBe(1);
  });

  it.each([1500, 1501])('is not made at all when its family is %i seconds old', (age) => {
    expect(() => aged(age)).toThrow(expect.objectContaining({ error: 'invalid_grant' }));
  });
});

describe('a session', () => {
  const now = () => Math.floor(Date.now() / 1000);

  it('of nobody lives no longer than a sign-in may take', () => {
    expect(table.Session?.({}, {})).toBe(3600);
  });

  it('of somebody lives until it is idle', () => {
    expect(table.Session?.({}, { accountId: 'acc_one', loginTs: now() })).toBe(86_400);
  });
});
