// The words of the guard: what a request must show, who was found behind it, and how a refusal looks.

/** What a route wants of whoever calls it. Everything that is named must hold. */
export interface Needs {
  /** Permissions that must all be held: as scopes or `permissions` of a token, or by the key. */
  readonly permissions?: readonly string[];
  /** One of these roles. */
  readonly roles?: readonly string[];
  /** One of these authentication context classes (RFC 9470 §4). */
  readonly acrValues?: readonly string[];
  /** So old the sign-in may be at most, in seconds. */
  readonly maxAgeSeconds?: number;
  /** What the request is for, as the constraints of keys name it: `{ model: 'small' }`. Asked of the server, for tokens too. */
  readonly constraints?: Readonly<Record<string, string>>;
  /** Meter → what will be used at most: reserved by the server each time, to be settled there. */
  readonly meters?: Readonly<Record<string, number>>;
}

/** Of the request as the client made it. */
export interface GuardRequest {
  readonly method: string;
  /** Absolute, with the public origin: a DPoP proof speaks of it. */
  readonly url: string;
  header(name: string): string | undefined;
  /** Where it came from, when that is known for sure: keys with an address list are refused without it. */
  readonly address?: string | undefined;
}

export interface Identity {
  readonly kind: 'token' | 'key';
  readonly subject: string;
  readonly clientId: string;
  /** The organization that the token or key acts in. */
  readonly organizationId: string | null;
  readonly scope: readonly string[];
  readonly roles: readonly string[];
  readonly claims: Readonly<Record<string, unknown>>;
  readonly expiresAtSeconds: number | null;
  /** The key that was presented, or that the token was made with, where the server said so. */
  readonly keyId: string | null;
  /** What `meters` reserved; settle or release it at the server. */
  readonly reservationId: string | null;
}

/** The codes that an answer of the guard itself may carry; verify adds its own, for limits, budgets and constraints. */
export type RefusalCode =
  | 'credential_missing'
  | 'credential_ambiguous'
  | 'credential_in_url'
  | 'token_malformed'
  | 'token_expired'
  | 'token_invalid'
  | 'token_audience'
  | 'key_invalid'
  | 'proof_missing'
  | 'proof_invalid'
  | 'proof_replayed'
  | 'permission_missing'
  | 'role_missing'
  | 'authentication_insufficient'
  | 'verification_unavailable'
  | (string & {});

/** As it is sent: the status, all headers, and a body of application/problem+json (RFC 9457). */
export interface Refusal {
  readonly ok: false;
  readonly status: number;
  readonly code: RefusalCode;
  readonly detail: string;
  /** For the log of the API, not for strangers: what the server said of a credential that is not good. */
  readonly reason: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

export interface Admission {
  readonly ok: true;
  readonly identity: Identity;
}

/** Where used `jti`s of DPoP proofs are kept: shared by all nodes of an API when there are several (RFC 9449 §11.1). */
export interface ReplayStore {
  /** False when it was there already. */
  addOnce(key: string, expiresAtSeconds: number): boolean | Promise<boolean>;
}
