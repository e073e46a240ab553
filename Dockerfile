# One instance of LiveKV. Without DB_HOST or DATABASE_URL it keeps its data in /data, so mount a volume there.
#
#   manifests -> build         everything, to build the pages
#             -> dependencies  what the server needs when it runs
#   the base, these dependencies, the sources and the pages -> the image
FROM node:24-bookworm-slim AS manifests
WORKDIR /app
ENV NPM_CONFIG_AUDIT=false NPM_CONFIG_FUND=false NPM_CONFIG_UPDATE_NOTIFIER=false
COPY package.json package-lock.json ./
COPY packages/protocol/package.json packages/protocol/
COPY packages/client/package.json packages/client/
COPY packages/server/package.json packages/server/
COPY packages/cli/package.json packages/cli/
COPY packages/web/package.json packages/web/

FROM manifests AS build
# Without install scripts: the one that matters fetches Node.js, which the base has.
RUN npm ci --include=dev --ignore-scripts
COPY tsconfig.base.json ./
COPY scripts scripts
COPY packages packages
RUN node scripts/build.cjs

FROM manifests AS dependencies
# Without what only editors and debuggers read: a third of the size.
RUN npm ci --omit=dev --ignore-scripts --workspace=packages/server --workspace=packages/protocol \
  && find node_modules -type f \( -name '*.map' -o -name '*.d.ts' -o -name '*.d.cts' -o -name '*.d.mts' \) -delete

FROM node:24-bookworm-slim
WORKDIR /app
ENV NODE_ENV=production HOST=0.0.0.0 PORT=8080 DATA_DIR=/data
RUN mkdir /data && chown node:node /data
COPY package.json LICENSE ./
COPY --from=dependencies /app/node_modules node_modules
COPY packages/protocol/package.json packages/protocol/
COPY packages/protocol/src packages/protocol/src
COPY packages/server/package.json packages/server/
COPY packages/server/src packages/server/src
COPY --from=build /app/packages/web/dist packages/web/dist
COPY --from=build /app/packages/client/dist packages/client/dist
USER node
EXPOSE 8080
HEALTHCHECK --interval=5s --timeout=4s --start-period=60s --retries=3 \
  CMD ["node", "-e", "fetch(`http://127.0.0.1:${process.env.PORT}/readyz`).then(({ ok }) => process.exit(ok ? 0 : 1), () => process.exit(1))"]
# The flags are those of scripts/server-flags.cjs.
CMD ["node", "--max-semi-space-size=64", "--no-memory-protection-keys", "packages/server/src/main.ts"]
