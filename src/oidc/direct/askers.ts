// Who asks at the introspection and revocation endpoints: a client or an API key, after it has proved itself.
import type { KnownKey } from '../../api-keys/schema.ts';
import type { Client } from '../../clients/clients.ts';

export type Asker =
  | { readonly kind: 'client'; readonly id: string; readonly client: Client }
  | { readonly kind: 'key'; readonly id: string; readonly key: KnownKey };

/** RFC 7662 §2.1: anybody can use the name of a public client, so that one has proved nothing. */
export function isPublic(asker: Asker): boolean {
  return asker.kind === 'client' && asker.client.authMethod === 'none';
}
