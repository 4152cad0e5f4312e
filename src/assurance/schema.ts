// The shapes of the one policy: what is known of an account, what a request asks, what is required, and what is missing.
import type { FactorKind, FactorSummary } from '../credentials/schema.ts';
import type { AccountId } from '../lib/ids.ts';
import type { SessionLife } from '../lib/session-life.ts';
import type { Method, Proof, Strength } from '../lib/strength.ts';

/** What the policy knows of an account. */
export interface AccountFacts {
  readonly admin: boolean;
  readonly factors: FactorSummary;
  /** The password came by a mailed link, and no strong sign-in has followed: a mail proves nothing more. */
  readonly passwordSetByMail: boolean;
  /** `required_acr` of its roles, and of its organizations. */
  readonly roles: readonly Strength[];
  readonly organizations: readonly Strength[];
  /** The least that its roles and organizations allow its sessions. */
  readonly life: Readonly<SessionLife>;
}

/** What a request brings with it. */
export interface Ask {
  readonly client?: ({ readonly requiredAcr: Strength | null } & Partial<Readonly<SessionLife>>) | undefined;
  /** The longest that the session was without use since its sign-in. */
  readonly idleSeconds?: number | undefined;
  /** Voluntary (OpenID Connect Core §3.1.2.1; RFC 9470 §4): any one of them; what nobody here knows is passed over. */
  readonly acrValues?: readonly string[] | undefined;
  /** An essential `acr` claim (§5.5.1.1): any one of them, or the request fails. */
  readonly essentialAcr?: readonly string[] | undefined;
}

/** Who or what asks for more than one factor. */
export type Reason = 'server' | 'factors' | 'admin' | 'role' | 'organization' | 'client' | 'request';

export interface Requirement {
  readonly strength: Strength;
  /** A browser that was remembered is enough in place of a second factor. */
  readonly rememberedDeviceServes: boolean;
  /** A code by mail is enough as the second step, unless the first one was by mail. */
  readonly mailCodeServes: boolean;
  /** Those that ask for this strength, no less. */
  readonly reasons: readonly Reason[];
}

/** The next thing that a sign-in lacks. `prompt` is the name of the engine's prompt and of the page. */
export type Missing =
  /** What was proved stands for nothing, or nothing that may be added makes it strong enough. */
  | { readonly prompt: 'login'; readonly required: Requirement }
  /** Any of these goes on from here. */
  | { readonly prompt: 'second_factor'; readonly required: Requirement; readonly methods: readonly Method[] }
  /** Nothing that the account has is enough: one of these is to be set up. */
  | { readonly prompt: 'enrol_factor'; readonly required: Requirement; readonly kinds: readonly FactorKind[] }
  | { readonly prompt: ObstacleName };

/** Steps that are no proofs, in the order in which they are asked. Their owners pass them to createAssurance. */
export const obstacleNames = ['change_password', 'accept_terms', 'complete_profile'] as const;
export type ObstacleName = (typeof obstacleNames)[number];

export interface Obstacle {
  readonly name: ObstacleName;
  isMissing(accountId: AccountId, proofs: readonly Proof[]): Promise<boolean>;
}
