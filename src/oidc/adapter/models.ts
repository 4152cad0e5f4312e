// Which table serves which of the engine's models: one row a model, read by the adapter and by the clean-up.

export type StateTable = 'oidc_sessions' | 'oidc_grants' | 'oidc_tokens' | 'oidc_transients' | 'oidc_replays';

export interface ModelHome {
  readonly table: StateTable;
  /** One use only: `consume` is a compare-and-set that refuses the second caller. */
  readonly consumable: boolean;
}

export const models = {
  Session: { table: 'oidc_sessions', consumable: false },
  Grant: { table: 'oidc_grants', consumable: false },

  RefreshToken: { table: 'oidc_tokens', consumable: true },
  AccessToken: { table: 'oidc_tokens', consumable: false },
  ClientCredentials: { table: 'oidc_tokens', consumable: false },
  InitialAccessToken: { table: 'oidc_tokens', consumable: false },
  RegistrationAccessToken: { table: 'oidc_tokens', consumable: false },

  Interaction: { table: 'oidc_transients', consumable: false },
  AuthorizationCode: { table: 'oidc_transients', consumable: true },
  DeviceCode: { table: 'oidc_transients', consumable: true },
  PushedAuthorizationRequest: { table: 'oidc_transients', consumable: true },
  BackchannelAuthenticationRequest: { table: 'oidc_transients', consumable: true },
  PreAuthorizedCode: { table: 'oidc_transients', consumable: true },

  ReplayDetection: { table: 'oidc_replays', consumable: false },
} as const satisfies Record<string, ModelHome>;

export type ModelName = keyof typeof models;

export function isModelName(name: string): name is ModelName {
  return Object.hasOwn(models, name);
}
