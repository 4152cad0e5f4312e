// The Route value: what one address of the JSON API takes, needs and answers. Mounted by mount-routes.ts.
import type { z } from 'zod';
import type { PermissionSet } from '../../lib/permission.ts';
import type { ErrorCode } from '../../vocabulary/errors.ts';
import type { Permission } from '../../vocabulary/permissions.ts';
import type { LimitName } from '../limits/rate-limit.ts';

/** Who asks, as the injected `authenticate` found it; fits wherever the ledger wants an actor. */
export interface Caller {
  readonly kind: 'account' | 'client';
  readonly id: string;
  /** The client whose token this is; the same as `id` when a client acts for itself. */
  readonly clientId: string;
  /** The names of our own vocabulary that it holds here and now. */
  readonly permissions: readonly string[];
  /** All that it holds, of every API; absent: just these names. Nobody hands out more. */
  readonly held?: PermissionSet;
  /** The person it acts for: of a token, or the owner of a key; null for a machine of its own. */
  readonly accountId: string | null;
  /** It may act within this organization only; null: it is bound to none. */
  readonly organizationId: string | null;
  /** The key that was presented, or that the token was made with. */
  readonly apiKeyId: string | null;
  /** How and when the person behind a token signed in; absent for keys and machines, which never did. */
  readonly signedIn?: SignedIn;
}

export interface SignedIn {
  readonly at: Date;
  readonly amr: readonly string[];
}

/** What the sign-in behind a token lacks (RFC 9470 §3). */
export interface SignInDemand {
  readonly acrValues?: readonly string[];
  readonly maxAgeSeconds?: number;
}

type Schema = z.ZodType;
type Parsed<S> = S extends Schema ? z.output<S> : undefined;
type Replies = Readonly<Record<number, Schema>>;
type StatusOf<R extends Replies> = keyof R & number;

const ANSWER = Symbol('answer');

/** A reply with its status and headers said aloud; needed when a route has several. */
export interface Answer<Status extends number, Body> {
  readonly [ANSWER]: true;
  readonly status: Status;
  readonly body: Body;
  readonly headers: Readonly<Record<string, string>>;
}

export function answer<Status extends number, Body>(
  status: Status,
  body: Body,
  headers: Readonly<Record<string, string>> = {},
): Answer<Status, Body> {
  return { [ANSWER]: true, status, body, headers };
}

export function isAnswer(value: unknown): value is Answer<number, unknown> {
  return typeof value === 'object' && value !== null && ANSWER in value;
}

type AnswerOf<R extends Replies> = {
  [Status in StatusOf<R>]: Answer<Status, z.input<R[Status]>>;
}[StatusOf<R>];

type IsUnion<T, Whole = T> = [T] extends [never]
  ? false
  : T extends Whole
    ? [Whole] extends [T]
      ? false
      : true
    : never;

/** With one status, `run` may return the plain body. */
type ReplyOf<R extends Replies> =
  | AnswerOf<R>
  | (true extends IsUnion<StatusOf<R>> ? never : z.input<R[StatusOf<R>]>);

export interface RouteInput<P, Q, B, C> {
  readonly params: P;
  readonly query: Q;
  readonly body: B;
  /** Undefined on public routes only. */
  readonly caller: C;
  /** What If-Match names, where the route needs one; undefined for `*`: whatever the version is now. */
  readonly version: number | undefined;
}

export type Method = 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
export type Access = Permission | 'public' | 'authenticated';

interface RouteHead {
  /** The operationId of the API document: a verb and a noun, and no other route has it. */
  readonly operation: string;
  readonly method: Method;
  /** Below /api/v1, unless `absolute`. */
  readonly path: string;
  readonly absolute?: true;
  readonly permission: Access;
  readonly limit: LimitName;
  /** One line for the API document. */
  readonly summary: string;
  /** The thing has a `version`: every answer carries it as ETag, and PATCH and DELETE need it as If-Match. */
  readonly versioned?: true;
  /**
   * Callers that are bound to an organization may come, too. Where the path names an `:organizationId` it must be theirs;
   * elsewhere `run` hands `caller.organizationId` to every query. To all other routes they do not come at all.
   */
  readonly tenancy?: 'organization';
  /**
   * With `authenticated`: API keys, and tokens made with one, may come as well. A key is no session: nothing that is the
   * person's own is within its reach unless a permission says so, or nothing can be changed here.
   */
  readonly openToKeys?: true;
  /**
   * Of somebody who signed in lately, and as surely as their account demands; others are told how (RFC 9470). `of-people`:
   * keys and machines, which never sign in, come as they are.
   */
  readonly sensitive?: true | 'of-people';
  /** The answer is the same for everybody as long as the process runs: made once, and browsers may keep it. */
  readonly fixed?: true;
  /** `run` answers the lines of a table, sent as they come (RFC 4180); no schema sees them. */
  readonly csv?: true;
  /** The failures of `run`, for the API document; those of the pipeline are added to it. */
  readonly errors?: readonly ErrorCode[];
}

export interface RouteSpec<
  A extends Access,
  P extends Schema | undefined,
  Q extends Schema | undefined,
  B extends Schema | undefined,
  R extends Replies,
> extends RouteHead {
  readonly permission: A;
  readonly params?: P;
  readonly query?: Q;
  readonly body?: B;
  /** Status → schema of the body; `z.void()` for a reply without one. What the schema does not name is not sent. */
  readonly reply: R;
  run(
    input: RouteInput<Parsed<P>, Parsed<Q>, Parsed<B>, A extends 'public' ? Caller | undefined : Caller>,
  ): Promise<ReplyOf<R>> | ReplyOf<R>;
}

/** A route whose types are forgotten, so that lists of them are cheap for the compiler. */
export interface Route extends RouteHead {
  readonly params?: Schema | undefined;
  readonly query?: Schema | undefined;
  readonly body?: Schema | undefined;
  readonly reply: Replies;
  run(input: RouteInput<unknown, unknown, unknown, Caller | undefined>): unknown;
}

export function route<
  const A extends Access,
  R extends Replies,
  P extends Schema | undefined = undefined,
  Q extends Schema | undefined = undefined,
  B extends Schema | undefined = undefined,
>(spec: RouteSpec<A, P, Q, B, R>): Route {
  // The types are forgotten here; the pipeline hands `run` only what these very schemas parsed.
  return spec as unknown as Route;
}

const API_ROOT = '/api/v1';

/** The address of a route below the issuer, with its parameters as `:name`. */
export function pathOf(route: Pick<Route, 'path' | 'absolute'>): string {
  return route.absolute ? route.path : `${API_ROOT}${route.path}`;
}
