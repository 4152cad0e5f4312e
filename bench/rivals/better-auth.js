// better-auth's API-key verify on PostgreSQL behind the thinnest server there is; GET /keys answers what it may be asked about.
// Usage: DATABASE_URL=… node bench/rivals/better-auth.js <port>
import { createServer } from 'node:http';
import { apiKey } from '@better-auth/api-key';
import { betterAuth } from 'better-auth';
import { getMigrations } from 'better-auth/db/migration';
import pg from 'pg';

const KEYS = 64;
const permissions = { notes: ['read'] };

const auth = betterAuth({
  baseURL: 'http://127.0.0.1',
  secret: 'bench-secret-of-forty-characters-or-so-ba',
  telemetry: { enabled: false },
  database: new pg.Pool({ connectionString: process.env.DATABASE_URL, max: 10 }),
  emailAndPassword: { enabled: true },
  // Its limits are on, as ours are; only their numbers are out of reach.
  plugins: [apiKey({ rateLimit: { enabled: true, timeWindow: 60_000, maxRequests: 10_000_000 } })],
});
await (await getMigrations(auth.options)).runMigrations();
const { user } = await auth.api.signUpEmail({
  body: { name: 'Bench', email: 'bench@example.com', password: 'wide meadow under seven lanterns' },
});
const made = Array.from({ length: KEYS }, () =>
  auth.api.createApiKey({ body: { name: 'key', userId: user.id, permissions } }),
);
const keys = JSON.stringify((await Promise.all(made)).map(({ key }) => key));

const server = createServer(async (request, response) => {
  response.setHeader('Content-Type', 'application/json');
  if (request.method === 'GET') return void response.end(keys);
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  const body = JSON.parse(Buffer.concat(chunks).toString());
  response.end(JSON.stringify(await auth.api.verifyApiKey({ body })));
});
// Connections wait while the other sides have their turn.
server.keepAliveTimeout = 120_000;
server.listen(Number(process.argv[2]), '127.0.0.1');
