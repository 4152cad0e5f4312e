// Registered client -> the engine's client: built once per version of the client and looked up by identity afterwards.
// The engine's own look-up re-serialises and hashes the metadata on every request and remembers 100 clients.
import type { Adapter, Client as EngineClient, Provider } from 'oidc-provider';
import type { Client, Clients, KnownClient } from '../clients/clients.ts';

export interface ClientSource {
  /** Replaces the engine's look-up and secret comparison on this provider. */
  attach(provider: Provider): void;
  /** Our record behind an engine client that came from this source. */
  registered(client: EngineClient): Client;
}

/** For this long a sector_identifier_uri that could not be validated is not asked again. */
const FAILED_MILLISECONDS = 30_000;

export function createClientSource(deps: { clients: Clients }): ClientSource {
  const records = new WeakMap<EngineClient, Client>();

  function record(client: EngineClient): Client {
    const found = records.get(client);
    if (!found) throw new Error('an engine client did not come from the client source');
    return found;
  }

  return {
    attach(provider) {
      const built = new WeakMap<KnownClient, Promise<EngineClient>>();

      const find = async (id: unknown): Promise<EngineClient | undefined> => {
        if (typeof id !== 'string' || id.length === 0 || id.length > 256) return undefined;
        const known = await deps.clients.known(id);
        if (!known) return undefined;
        const existing = built.get(known);
        if (existing) return existing;
        const building = build(known);
        built.set(known, building);
        // Each attempt asks another site (see `build`): requests of strangers must not become a flood of ours.
        building.catch(() => setTimeout(() => built.delete(known), FAILED_MILLISECONDS).unref());
        return building;
      };

      const build = async (known: KnownClient): Promise<EngineClient> => {
        // The engine's Client is constructable at run time; its typings only describe instances.
        const EngineClientClass = provider.Client as unknown as {
          new (metadata: object): EngineClient;
          validate(metadata: object): Promise<void>;
        };
        if (known.metadata.sector_identifier_uri) await EngineClientClass.validate(known.metadata);
        const client = new EngineClientClass(known.metadata);
        records.set(client, known.client);
        return client;
      };

      Object.defineProperty(provider.Client, 'find', { value: find });
      // ID tokens name the session for front-channel logout, too; the engine knows of back-channel logout alone.
      Object.defineProperty(provider.Client.prototype, 'includeSid', {
        value(this: EngineClient) {
          const { backchannelLogoutUri, frontchannelLogoutUri, ...client } = record(this);
          return (
            (backchannelLogoutUri !== null && client.backchannelLogoutSessionRequired) ||
            (frontchannelLogoutUri !== null && client.frontchannelLogoutSessionRequired)
          );
        },
      });
      // Secrets are stored as keyed hashes and several may be active, so the engine's comparison of two strings cannot serve.
      Object.defineProperty(provider.Client.prototype, 'compareClientSecret', {
        value(this: EngineClient, presented: string) {
          return deps.clients.secretMatches(this.clientId, presented);
        },
      });
    },

    registered: record,
  };
}

/** The engine asks its adapter for clients only through `find`, which `attach` replaces. */
export const noClientAdapter: Adapter = {
  find: absent,
  findByUid: absent,
  findByUserCode: absent,
  upsert: refuse,
  consume: refuse,
  destroy: refuse,
  revokeByGrantId: refuse,
};

async function absent(): Promise<undefined> {}
async function refuse(): Promise<never> {
  throw new Error('clients are changed through src/clients, never through the engine');
}
