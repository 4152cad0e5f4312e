// Registered clients as the engine's: what asks another site before a client stands does not ask again and again.
import { Provider } from 'oidc-provider';
import { afterEach, expect, it, vi } from 'vitest';
import type { Clients, KnownClient } from '../../src/clients/clients.ts';
import { createClientSource } from '../../src/oidc/client-source.ts';

afterEach(() => {
  vi.useRealTimers();
});

it('a sector identifier that could not be read is asked for again after half a minute, and not before', async () => {
  vi.useFakeTimers({ toFake: ['setTimeout'] });
  const metadata = {
    client_id: 'pairwise-app',
    redirect_uris: ['https://one.example.com/callback', 'https://two.example.com/callback'],
    subject_type: 'pairwise',
    sector_identifier_uri: 'https://sector.example.com/uris.json',
    token_endpoint_auth_method: 'none',
  };
  // The source reads nothing but these of what clients answers.
  const known = { client: { id: 'pairwise-app' }, metadata, secretHashes: [] } as unknown as KnownClient;
  const clients = { known: async () => known } as unknown as Clients;
  let asked = 0;
  const provider = new Provider('http://localhost:3000', {
    subjectTypes: ['public', 'pairwise'],
    fetch: async () => {
      asked += 1;
      return new Response('no', { status: 500 });
    },
  });
  createClientSource({ clients }).attach(provider);

  for (let request = 0; request < 3; request += 1) {
    await expect(provider.Client.find('pairwise-app')).rejects.toThrow('invalid_client_metadata');
  }
  expect(asked).toBe(1);
  await vi.advanceTimersByTimeAsync(29_000);
  await expect(provider.Client.find('pairwise-app')).rejects.toThrow();
  expect(asked).toBe(1);
  await vi.advanceTimersByTimeAsync(2_000);
  await expect(provider.Client.find('pairwise-app')).rejects.toThrow();
  expect(asked).toBe(2);
});
