# The images of the proxy and of the operator: docker build --target proxy|operator .
#
# All of ours in them is what scripts/image makes, out of what package-lock.json pins, Node itself among it. A release names
# the base by its digest: --build-arg DEBIAN=debian:trixie-slim@sha256:…
ARG DEBIAN=debian:trixie-slim

FROM ${DEBIAN} AS build
WORKDIR /source
# Packages are installed anew only when they have changed.
COPY package.json package-lock.json ./
COPY packages/client/package.json packages/client/
COPY packages/operator/package.json packages/operator/
COPY scripts/setup scripts/apt-install scripts/
RUN scripts/setup
COPY . .
RUN scripts/image proxy /images/proxy && scripts/image operator /images/operator

FROM ${DEBIAN} AS node
# Libraries that Node links to: scripts/setup names them, too. Their version is the base's.
# hadolint ignore=DL3008
RUN apt-get update \
  && apt-get install --yes --no-install-recommends libatomic1 libstdc++6 \
  && rm -rf /var/lib/apt/lists/*
COPY --from=build /source/node_modules/node/bin/node /usr/local/bin/node
WORKDIR /app
# As bin/l7mp says, and why.
ENV MALLOC_ARENA_MAX=2
# Nobody in particular: nothing in the image belongs to it.
USER 65532:65532

FROM node AS operator
COPY --from=build /images/operator ./
ENTRYPOINT ["packages/operator/bin/l7mp-operator"]

FROM node AS proxy
COPY --from=build /images/proxy ./
EXPOSE 1234
# Of the REST API, where the configuration has it on this port; else L7MP_HEALTH_URL says where.
HEALTHCHECK --interval=10s --timeout=6s --start-period=10s CMD ["node", "bin/l7mp-healthcheck.js"]
ENTRYPOINT ["node", "l7mp-proxy.js"]
CMD ["-c", "config/l7mp-minimal.yaml"]
