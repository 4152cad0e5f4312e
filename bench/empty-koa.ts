// The ceiling of the stack: a Koa server that reads a body and answers as many bytes as a token response has.
// /700 asks for 700 bytes instead. Usage: node bench/empty-koa.ts <port>
import Koa from 'koa';

const body = JSON.stringify({
  access_token: 'x'.repeat(620),
  expires_in: 600,
  token_type: 'Bearer',
  scope: 'notes:read',
});

const bodies = new Map<string, string>();

const app = new Koa();
app.use(async (ctx) => {
  for await (const _chunk of ctx.req);
  ctx.type = 'json';
  ctx.body = /^\/\d+$/.test(ctx.path) ? bodyOf(ctx.path) : body;
});
// Connections wait while the other sides have their turn.
app.listen(Number(process.argv[2]), '127.0.0.1').keepAliveTimeout = 120_000;

function bodyOf(path: string): string {
  const made = bodies.get(path) ?? 'x'.repeat(Number(path.slice(1)));
  bodies.set(path, made);
  return made;
}
