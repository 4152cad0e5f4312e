// Which store serves which of the engine's models: one row a model, read by the adapter and by the clean-up; and what of
// ours the engine keeps in them.
import type { Provider } from 'oidc-provider';

export type StateTable = 'oidc_sessions' | 'oidc_grants' | 'oidc_tokens' | 'oidc_transients' | 'oidc_replays';

export interface ModelHome {
  readonly table: StateTable;
  /** One use only: `consume` is a compare-and-set that refuses the second caller. */
  readonly consumable: boolean;
  /** Served by Redis where there is one, since it lives for minutes; the table takes over while Redis is away. */
  readonly redis: boolean;
}

export const models = {
  Session: { table: 'oidc_sessions', consumable: false, redis: false },
  Grant: { table: 'oidc_grants', consumable: false, redis: false },

  RefreshToken: { table: 'oidc_tokens', consumable: true, redis: false },
  AccessToken: { table: 'oidc_tokens', consumable: false, redis: false },
  ClientCredentials: { table: 'oidc_tokens', consumable: false, redis: false },
  InitialAccessToken: { table: 'oidc_tokens', consumable: false, redis: false },
  RegistrationAccessToken: { table: 'oidc_tokens', consumable: false, redis: false },

  Interaction: { table: 'oidc_transients', consumable: false, redis: true },
  AuthorizationCode: { table: 'oidc_transients', consumable: true, redis: true },
  DeviceCode: { table: 'oidc_transients', consumable: true, redis: true },
  PushedAuthorizationRequest: { table: 'oidc_transients', consumable: true, redis: true },
  BackchannelAuthenticationRequest: { table: 'oidc_transients', consumable: true, redis: true },
  PreAuthorizedCode: { table: 'oidc_transients', consumable: true, redis: true },

  ReplayDetection: { table: 'oidc_replays', consumable: false, redis: true },
} as const satisfies Record<string, ModelHome>;

export type ModelName = keyof typeof models;

export function isModelName(name: string): name is ModelName {
  return Object.hasOwn(models, name);
}

/** A grant keeps in which organization it was given, a session how long it was left alone. */
export function keepOwnFields(provider: Provider): void {
  const own = [
    [provider.Grant, 'organizationId'],
    [provider.Session, 'idleSeconds'],
  ] as const;
  for (const [engineModel, field] of own) {
    // The list of what is stored is a static getter of the model that the typings do not show.
    const model = engineModel as unknown as { readonly IN_PAYLOAD: readonly string[] };
    Object.defineProperty(model, 'IN_PAYLOAD', { value: [...model.IN_PAYLOAD, field] });
  }
}
