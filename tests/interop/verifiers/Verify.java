import java.io.FileInputStream;
import java.security.cert.CertPathValidator;
import java.security.cert.CertPathValidatorException;
import java.security.cert.Certificate;
import java.security.cert.CertificateFactory;
import java.security.cert.PKIXParameters;
import java.security.cert.TrustAnchor;
import java.security.cert.X509Certificate;
import java.util.ArrayList;
import java.util.Set;

/** Says for each chain, after the root, whether Java's own verifier accepts it. */
public class Verify {
    public static void main(String[] files) throws Exception {
        CertificateFactory factory = CertificateFactory.getInstance("X.509");
        X509Certificate root = (X509Certificate) factory.generateCertificate(new FileInputStream(files[0]));
        PKIXParameters parameters = new PKIXParameters(Set.of(new TrustAnchor(root, null)));
        parameters.setRevocationEnabled(false);
        for (int number = 1; number < files.length; number++) {
            var chain = new ArrayList<Certificate>(factory.generateCertificates(new FileInputStream(files[number])));
            try {
                CertPathValidator.getInstance("PKIX").validate(factory.generateCertPath(chain), parameters);
                System.out.println("accepted");
            } catch (CertPathValidatorException error) {
                System.out.println("refused: " + error.getMessage());
            }
        }
    }
}
