// The Page value: what one address for people takes and shows. Mounted by mount-pages.ts.
import type { Context } from 'koa';
import type { z } from 'zod';
import type { Dates } from '../../lib/dates.ts';
import type { AccountId } from '../../lib/ids.ts';
import type { Appearance } from '../../vocabulary/appearances.ts';
import type { Translate } from '../i18n.ts';
import type { LimitName } from '../limits/rate-limit.ts';
import type { Carried } from './carried.ts';
import type { AccountSection, PageView } from './render-page.ts';

export type { AccountSection, PageView, RenderPage } from './render-page.ts';

type Schema = z.ZodType;
type Parsed<S> = S extends Schema ? z.output<S> : undefined;

export type PageResult =
  | ({ kind: 'view' } & PageView)
  /** Always 303, so that no browser repeats a posted secret elsewhere (RFC 9700 §4.12). A path gets the base path. */
  | { kind: 'redirect'; to: string; carry?: readonly Carried[] }
  /** A file that the browser saves; its parts are sent as they come. */
  | { kind: 'download'; name: string; type: string; parts: AsyncIterable<string> }
  /** The step wrote the answer itself. */
  | { kind: 'answered' };

export interface PageInput<P, Q, F> {
  readonly params: P;
  readonly query: Q;
  /** Undefined when the form did not fit its schema: show it again with `formErrors` and `typed`. */
  readonly form: F | undefined;
  /** Field → key of the message catalogue. */
  readonly formErrors: Readonly<Record<string, string>>;
  /** What the person typed, to be shown again; never a password. */
  readonly typed: Readonly<Record<string, string>>;
  readonly locale: string;
  readonly t: Translate;
  /** The language of a stored request: `ui_locales` first, then what the browser wants. */
  speak(uiLocales: string | undefined): { locale: string; t: Translate };
  /** What an earlier page has this browser carry under this name. */
  carried(name: string): string | undefined;
  readonly ctx: Context;
}

interface PageHead {
  readonly method: 'GET' | 'POST';
  readonly path: string;
  readonly limit: LimitName;
}

/** Who looks at an account page. */
export interface Person {
  readonly accountId: AccountId;
  /** The public id of the session of this browser. */
  readonly sessionId: string;
  /** When the sign-in began that this session stands for. */
  readonly authenticatedAt: Date;
  readonly amr: readonly string[];
  /** What to call them. */
  readonly name: string;
  readonly email: string | null;
  /** The language that they chose; null: the browser's. */
  readonly locale: string | null;
  /** The time zone that they chose. */
  readonly zone: string | null;
  readonly theme: Appearance;
}

/** What mounting asks about pages of the account area. */
export interface AccountArea {
  /** Undefined unless somebody is signed in here as surely as their account demands. */
  person(ctx: Context): Promise<Person | undefined>;
  /** Whether the sign-in is recent enough for what is sensitive (OWASP ASVS 7.5.1). */
  isRecent(person: Person): boolean;
  /** Where to sign in, or (`again`) to prove anew who one is, and come back to this path. */
  signInAt(back: string, options: { again: boolean }): string;
  /** The navigation, in its order; only those whose page is mounted are shown. */
  readonly sections: readonly AccountSection[];
}

export interface PageSpec<
  P extends Schema | undefined,
  Q extends Schema | undefined,
  F extends Schema | undefined,
> extends PageHead {
  readonly params?: P;
  readonly query?: Q;
  readonly form?: F;
  /** What the form's token is tied to, e.g. the id of the sign-in; the same as `csrfBinding` of the page's view. */
  csrfBinding?(params: Readonly<Record<string, string>>): string;
  run(input: PageInput<Parsed<P>, Parsed<Q>, Parsed<F>>): Promise<PageResult> | PageResult;
}

/** A page of the account area: for whoever is signed in, its forms bound to their session. */
export interface AccountPageSpec<
  P extends Schema | undefined,
  Q extends Schema | undefined,
  F extends Schema | undefined,
> extends PageHead {
  readonly params?: P;
  readonly query?: Q;
  readonly form?: F;
  /** Only soon after a sign-in; others prove anew who they are and come back to the page as it was asked for. */
  readonly sensitive?: true;
  run(
    input: PageInput<Parsed<P>, Parsed<Q>, Parsed<F>> & { readonly person: Person; readonly dates: Dates },
  ): Promise<PageResult> | PageResult;
}

/** A page whose types are forgotten, as with Route. */
export interface Page extends PageHead {
  readonly area?: 'account';
  readonly sensitive?: true;
  readonly params?: Schema | undefined;
  readonly query?: Schema | undefined;
  readonly form?: Schema | undefined;
  csrfBinding?(params: Readonly<Record<string, string>>): string;
  /** `person` on pages of the account area only, and days and moments in their words. */
  run(
    input: PageInput<unknown, unknown, unknown> & { person?: Person; dates?: Dates },
  ): Promise<PageResult> | PageResult;
}

export function page<
  P extends Schema | undefined = undefined,
  Q extends Schema | undefined = undefined,
  F extends Schema | undefined = undefined,
>(spec: PageSpec<P, Q, F>): Page {
  // The types are forgotten here; the pipeline hands `run` only what these very schemas parsed.
  return spec as unknown as Page;
}

export function accountPage<
  P extends Schema | undefined = undefined,
  Q extends Schema | undefined = undefined,
  F extends Schema | undefined = undefined,
>(spec: AccountPageSpec<P, Q, F>): Page {
  // As above; the pipeline runs a page of this area with a person only.
  return { ...spec, area: 'account' } as unknown as Page;
}
