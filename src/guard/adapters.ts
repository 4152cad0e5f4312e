// The same check in the shapes that frameworks call: Koa, Express (and anything with req, res, next), and fetch handlers.
// Their types are described here as far as they are used, so that none of them is a dependency.
import type { Admission, GuardRequest, Identity, Needs, Refusal } from './schema.ts';

type HeaderValues = Readonly<Record<string, string | string[] | undefined>>;

interface NodeRequest {
  readonly method?: string | undefined;
  readonly url?: string | undefined;
  /** Express cuts the mount path off `url`. */
  readonly originalUrl?: string | undefined;
  readonly headers: HeaderValues;
  readonly socket?: { readonly remoteAddress?: string | undefined } | undefined;
}

interface NodeResponse {
  statusCode: number;
  setHeader(name: string, value: string): unknown;
  end(body?: string): unknown;
}

interface KoaContext {
  readonly req: NodeRequest;
  /** Mounted apps see a shorter `req.url`. */
  readonly originalUrl?: string;
  readonly state: Record<string, unknown>;
  status: number;
  body: unknown;
  set(name: string, value: string): unknown;
}

/** The list, or made from the request, for permissions that name what is asked for: `notes:read:${id}`. */
export type NeedsOf<Request> = Needs | ((request: Request) => Needs);

export interface Adapters {
  /** Puts the identity into `ctx.state.identity`. */
  koa(...needs: NeedsOf<KoaContext>[]): (ctx: KoaContext, next: () => Promise<unknown>) => Promise<void>;
  /** Puts the identity into `req.identity`. */
  express(
    ...needs: NeedsOf<NodeRequest>[]
  ): (req: NodeRequest & { identity?: Identity }, res: NodeResponse, next: (error?: unknown) => void) => void;
  /** The identity is the second argument of the handler. */
  fetch(
    handler: (request: Request, identity: Identity) => Response | Promise<Response>,
    ...needs: NeedsOf<Request>[]
  ): (request: Request) => Promise<Response>;
}

type Check = (request: GuardRequest, ...needs: readonly Needs[]) => Promise<Admission | Refusal>;

interface AdapterSettings {
  readonly publicOrigin: string;
  readonly addressOf?: AddressOf | undefined;
}

/** From the headers and the address of the connection. */
export type AddressOf = (headers: HeaderValues, remoteAddress: string | undefined) => string | undefined;

export function createAdapters(check: Check, settings: AdapterSettings): Adapters {
  return {
    koa:
      (...needs) =>
      async (ctx, next) => {
        const { originalUrl = ctx.req.url } = ctx;
        const request = ofNode({ ...headOf(ctx.req), originalUrl }, settings);
        const result = await check(request, ...needs.map((one) => resolved(one, ctx)));
        if (result.ok) {
          ctx.state.identity = result.identity;
          await next();
          return;
        }
        ctx.status = result.status;
        for (const [name, value] of Object.entries(result.headers)) ctx.set(name, value);
        ctx.body = result.body;
      },

    express:
      (...needs) =>
      (req, res, next) => {
        const checking = async () => check(ofNode(req, settings), ...needs.map((one) => resolved(one, req)));
        checking().then((result) => {
          if (result.ok) {
            req.identity = result.identity;
            next();
            return;
          }
          res.statusCode = result.status;
          for (const [name, value] of Object.entries(result.headers)) res.setHeader(name, value);
          res.end(result.body);
        }, next);
      },

    fetch:
      (handler, ...needs) =>
      async (request) => {
        const result = await check(ofFetch(request, settings), ...needs.map((one) => resolved(one, request)));
        if (result.ok) return handler(request, result.identity);
        return new Response(result.body, { status: result.status, headers: result.headers });
      },
  };
}

function resolved<Request>(needs: NeedsOf<Request>, request: Request): Needs {
  return typeof needs === 'function' ? needs(request) : needs;
}

function headOf({ method, url, headers, socket }: NodeRequest): NodeRequest {
  return { method, url, headers, socket };
}

function ofNode(req: NodeRequest, { publicOrigin, addressOf }: AdapterSettings): GuardRequest {
  const remoteAddress = req.socket?.remoteAddress;
  return {
    method: req.method ?? 'GET',
    url: absolute(req.originalUrl ?? req.url ?? '/', publicOrigin),
    header(name) {
      const value = req.headers[name];
      return Array.isArray(value) ? value.join(', ') : value;
    },
    address: addressOf ? addressOf(req.headers, remoteAddress) : remoteAddress,
  };
}

function ofFetch(request: Request, { publicOrigin, addressOf }: AdapterSettings): GuardRequest {
  const { pathname, search } = new URL(request.url);
  return {
    method: request.method,
    url: `${publicOrigin}${pathname}${search}`,
    header: (name) => request.headers.get(name) ?? undefined,
    address: addressOf?.(Object.fromEntries(request.headers), undefined),
  };
}

/** Of a target in absolute form (RFC 9112 §3.2.2) nothing but the path and query counts. */
function absolute(target: string, origin: string): string {
  if (target.startsWith('/')) return `${origin}${target}`;
  const url = URL.canParse(target) ? new URL(target) : { pathname: '/', search: '' };
  return `${origin}${url.pathname}${url.search}`;
}
