# The runtime with the functions of this folder. Node 24 runs the TypeScript as it is, so nothing is
# compiled; isolated-vm comes with prebuilt binaries, so install scripts stay off.
FROM node:24-slim AS build
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
RUN npm ci --ignore-scripts --omit=dev
COPY author author
COPY builder builder
COPY cli cli
COPY k8s k8s
COPY runtime runtime
COPY functions functions
COPY schemas schemas
# Beside .millrace, which is all that the runtime writes to and may be a volume.
ENV MILLRACE_BUILD=build
RUN node cli/main.ts build && mkdir .millrace && chown 65532:65532 .millrace

FROM node:24-slim
ENV NODE_ENV=production \
    MILLRACE_BUILD=build \
    MILLRACE_HOST=0.0.0.0
WORKDIR /app
COPY --from=build /app /app
USER 65532:65532
EXPOSE 8080 8000
# The flag is bin/runtime-flags.js: room for events to die young.
ENTRYPOINT ["node", "--max-semi-space-size=32", "cli/main.ts"]
CMD ["start"]
