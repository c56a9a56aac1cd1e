# The agent as users run it: the JavaScript of `make build` with its production packages, on Node, as nobody in particular.
# It writes nothing to its disk, so its root may be read-only.
FROM node:24-slim AS compiled
WORKDIR /build
COPY package.json package-lock.json .npmrc ./
RUN ["npm", "ci", "--ignore-scripts", "--no-progress", "--loglevel=error"]
COPY . .
RUN ["node", "bin/pack.ts", "--unpacked", "/out"]

FROM node:24-slim AS packages
WORKDIR /build
COPY package.json package-lock.json .npmrc ./
RUN ["npm", "ci", "--omit=dev", "--ignore-scripts", "--no-progress", "--loglevel=error"]

FROM node:24-slim
LABEL org.opencontainers.image.title="fairlead" \
      org.opencontainers.image.description="Joins Kubernetes clusters as peers: one agent a cluster, one link between two, everything through it." \
      org.opencontainers.image.licenses="Apache-2.0"
ENV NODE_ENV=production \
    FAIRLEAD_SERVER=http://localhost:8000 \
    PATH=/opt/fairlead/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
WORKDIR /opt/fairlead
COPY --from=packages /build/node_modules ./node_modules
COPY --from=compiled /out ./
# A number and no name, so that Kubernetes can tell that it is not root.
USER 65532:65532
EXPOSE 8000 8001 8002 8003
ENTRYPOINT ["node", "/opt/fairlead/src/main.js"]
CMD ["agent"]
