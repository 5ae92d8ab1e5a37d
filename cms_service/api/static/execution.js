// The button Execute, once an operation can be executed.

// An operation is resolved a moment after it is unfolded. Swagger UI does not find one that is executed before that, and
// shows no answer.
export const Execution = ({ React: { createElement: h } }) => ({
  wrapComponents: {
    execute: (Execute) => (props) => {
      const resolved = props.specSelectors.specResolvedSubtree(["paths", props.path, props.method]);
      return resolved === undefined ? null : h(Execute, props);
    },
  },
});
